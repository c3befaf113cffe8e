//! What a path is by its name alone: the rows of the JVM: Maven, Gradle and sbt.

use crate::language::class_table::Kind::{Below, CodeBelow, Name, Path};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Bytecode, Fixture, RunnerConfig, Test};

pub(crate) const ROWS: &[Row] = &[
    // Compiled code: it runs instead of the source that a diff shows.
    Row(Name, "*.class *.jar *.war *.ear", Bytecode),
    // Runners.
    Row(Below, ".mvn", RunnerConfig),
    Row(Name, "junit-platform.properties testng.xml testng.yaml arquillian.xml", RunnerConfig),
    // Tests, and what they read.
    Row(CodeBelow, "src/test src/it src/integrationtest src/androidtest src/testfixtures", Test),
    Row(Below, "src/test src/it src/integrationtest src/androidtest src/testfixtures", Fixture),
    Row(
        Name,
        "*test.java *tests.java *testcase.java *it.java *test.kt *tests.kt *spec.groovy *spec.scala *test.scala",
        Test,
    ),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(
        Name,
        "pom.xml build.gradle build.gradle.kts settings.gradle settings.gradle.kts gradle.properties",
        BuildConfig,
    ),
    Row(
        Name,
        "init.gradle libs.versions.toml mvnw mvnw.cmd gradlew gradlew.bat build.sbt build.xml ivy.xml",
        BuildConfig,
    ),
    Row(Path, "gradle/* buildsrc/*", BuildConfig),
];
