from setuptools import setup

setup(name="atlas", version="0.4", package_dir={"": "lib"}, packages=["atlas", "atlas_data"])
