pytest_plugins = ["tools.units"]
