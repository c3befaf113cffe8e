from distutils.core import setup

setup(name="tally", version="1.9", packages=["tally", "tally.selftest"], package_data={"tally.selftest": ["cases.json"]})
