//! Integration tests: one file per command or behaviour, one binary so that everything is linked once.

mod samples;
mod support;

mod bad_input;
mod canary;
mod cell;
mod container;
mod corpora;
mod demo;
mod demo_offline;
mod export;
mod flood;
mod framework;
mod full_disk;
mod intake;
mod kill;
mod plain;
mod sandboxes;
mod schemas;
