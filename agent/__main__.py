"""The program escadre-agent."""

from __future__ import annotations

import asyncio
import logging
import sys

from agent.agent import run
from agent.config import read_config
from agent.errors import AgentError, ConfigError

EXIT_FAILED = 1
EXIT_USAGE = 2


def main() -> None:
    """Run the agent; exits 2 when the command line is wrong, 1 when the agent cannot go on."""
    try:
        config = read_config(sys.argv[1:])
    except ConfigError as error:
        _say(error)
        sys.exit(EXIT_USAGE)
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(run(config))
    except AgentError as error:
        _say(error)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(error: AgentError) -> None:
    sys.stderr.write(f"error: {error}\n")


if __name__ == "__main__":
    main()
