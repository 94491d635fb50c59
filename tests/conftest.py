pytest_plugins = ["tests.controlplane.fixtures", "tests.postgres.fixtures"]
