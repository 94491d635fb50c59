"""The hub's settings: one model, read from flags, then `ESCADRE_*` variables, then a file, then the defaults here.

The flags of `escadre-hub serve` are made from this model, so a setting added here is a flag, a variable and a key of
the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from hub.errors import Invalid

Role = Literal["api", "gateway", "controller"]
ROLES: tuple[Role, ...] = ("api", "gateway", "controller")


class Settings(BaseSettings):
    """Everything an operator can set. Durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="ESCADRE_", extra="forbid", frozen=True)

    data_dir: Path = Field(description="directory for the database, the key that encrypts secrets, and Git mirrors")
    database_url: SecretStr = Field(
        SecretStr(""), description="postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; SQLite in the data directory else"
    )
    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        ROLES, min_length=1, description="which of api, gateway and controller this process is"
    )
    host: str = Field("0.0.0.0", description="address both ports are bound to")  # noqa: S104 - a server
    port: int = Field(8443, ge=0, le=65535, description="HTTPS port of the REST API, and of agents that enrol")
    agent_port: int = Field(8444, ge=0, le=65535, description="port of the agents' link, gRPC over mutual TLS")
    address: str = Field("", description="host:port by which people and agents reach the HTTPS port")
    agent_address: str = Field("", description="host:port by which agents reach the agents' port")
    server_names: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="further names and IP addresses for the hub's certificate, with commas between"
    )
    initial_password_file: Path | None = Field(
        None,
        description="where the admin account's generated password is written at the first start, for its owner only",
    )
    secret_key_file: Path | None = Field(
        None, description="the key that encrypts secrets in the database; DATA_DIR/secret.key else"
    )
    secret_key_command: str = Field(
        "", description="a program that prints that key, in place of the file: arguments as in a shell, but no shell"
    )
    allow_file_repositories: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="directories that file:// repositories may lie in, with commas between; none else"
    )
    ssh_directory: Path | None = Field(None, description="config, known_hosts and keys for ssh:// repositories")
    ssh_auth_socket: str = Field("", description="socket of an ssh agent whose keys may be used")
    git_ca_file: Path | None = Field(None, description="authorities trusted for https:// repositories")
    poll_seconds: float = Field(120.0, ge=1, description="how often repositories are asked for new commits")
    poll_jitter_seconds: float = Field(60.0, ge=0, description="at most this much is added to each interval, at random")
    render_workers: int = Field(2, ge=1, le=64, description="processes that render")
    render_timeout_seconds: float = Field(90.0, gt=0, description="time limit of one render")
    render_memory_mb: int = Field(3072, ge=2048, description="memory limit of one render, MiB of address space")
    helm_binary: str = Field("", description="helm to use; a built-in library else")
    kustomize_binary: str = Field("", description="kustomize to use; kustomize or kubectl of PATH else")
    agent_certificate_hours: float = Field(24.0, gt=0, description="how long agents' certificates live")
    heartbeat_seconds: float = Field(15.0, ge=1, le=300, description="how often hub and agents say that they are there")
    drain_seconds: float = Field(10.0, ge=0, description="how long SIGTERM waits for what is under way")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
    log_format: Literal["text", "json"] = Field("text", description="how to log")

    @field_validator("data_dir", "secret_key_file", "initial_password_file", "ssh_directory", "git_ca_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # Workers and git run in directories of their own.
        return value.absolute() if value is not None else None

    @field_validator("address", "agent_address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        # Here, and not where it is used: by then the hub has made its database and its authority.
        found = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([0-9]{1,5})", value)
        if value and (found is None or not 0 < int(found[1]) < 65536):
            raise PydanticCustomError("address", "give host:port, such as hub.example.com:8443")
        return value

    @field_validator("roles", "server_names", "allow_file_repositories", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Put the settings together: flags win over variables, variables over the file. Raises Invalid."""

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            content = _read_file(file) if file is not None else {}
            return init_settings, env_settings, InitSettingsSource(settings_cls, content)

    try:
        return FromFile(**flags)
    except SettingsError as error:
        raise Invalid(str(error)) from error
    except ValidationError as error:
        raise Invalid("; ".join(_problem(e) for e in error.errors())) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Invalid(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path}: is not TOML: {error}") from error


def _problem(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]) or "settings"
    flag = "--" + name.split(".")[0].replace("_", "-")
    if error["type"] == "missing":
        return f"{flag} is needed ({Settings.model_fields[name].description})"
    if error["type"] == "extra_forbidden":
        return f"there is no setting {name!r}"
    return f"{flag}: {error['msg']}"
