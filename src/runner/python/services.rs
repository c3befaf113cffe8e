//! Services and programs that a test wants and a sandbox does not have, told by what their clients raise. Pure.

/// What a client's error tells: the type of the exception (any, if empty), parts of its message (all of them), and what is missing.
const SERVICES: &[(&str, &[&str], &str)] = &[
    // What a server's port tells, whoever asked for it.
    ("", &["port 5432", "efused"], "PostgreSQL"),
    ("", &["'localhost', 5432)"], "PostgreSQL"),
    ("", &["/.s.PGSQL."], "PostgreSQL"),
    ("", &["could not connect to server", "TCP/IP connections on port"], "PostgreSQL"),
    ("", &["connection to server", "efused"], "PostgreSQL"),
    ("", &[", 5432)", "efused"], "PostgreSQL"),
    ("", &[", 5432)", "Connect call failed"], "PostgreSQL"),
    ("", &["Can't connect to MySQL server"], "MySQL"),
    ("", &["Can't connect to local MySQL server"], "MySQL"),
    ("", &["Can't connect to local server through socket", "mysqld"], "MySQL"),
    ("", &["Can't connect to server on", "(111"], "MySQL"),
    ("", &["Error 111 connecting to", ":6379"], "Redis"),
    ("", &["Connection refused", ":6379"], "Redis"),
    ("", &[", 6379)"], "Redis"),
    ("", &["localhost:27017", "efused"], "MongoDB"),
    ("", &["127.0.0.1:27017", "efused"], "MongoDB"),
    ("ServerSelectionTimeoutError", &[":27017"], "MongoDB"),
    ("", &[":9200"], "Elasticsearch"),
    ("", &["9200", "efused"], "Elasticsearch"),
    ("", &[", 9200)"], "Elasticsearch"),
    ("AMQPConnectionError", &[], "RabbitMQ"),
    ("", &["5672", "efused"], "RabbitMQ"),
    ("", &[", 5672)"], "RabbitMQ"),
    ("NoBrokersAvailable", &[], "Kafka"),
    ("", &[":9092", "efused"], "Kafka"),
    ("", &[":11211", "efused"], "Memcached"),
    ("NoHostAvailable", &["9042"], "Cassandra"),
    ("", &[":1433"], "SQL Server"),
    ("", &["8123", "efused"], "ClickHouse"),
    ("", &["localhost:9000", "efused"], "an S3 server (MinIO)"),
    ("", &["localhost:4566"], "LocalStack"),
    // Displays.
    ("", &["no display name and no $DISPLAY environment variable"], "a display"),
    ("", &["couldn't connect to display"], "a display"),
    ("", &["cannot open display"], "a display"),
    ("", &["Can't connect to display"], "a display"),
    ("", &["could not connect to display"], "a display"),
    ("", &["Unable to connect to X server"], "a display"),
    ("NoSuchDisplayException", &[], "a display"),
    ("DisplayConnectionError", &[], "a display"),
    ("", &["Bad display name"], "a display"),
    ("", &["No available video device"], "a display"),
    // Docker's client, and what is built on it.
    ("", &["Error while fetching server API version"], "a running Docker"),
    ("", &["Cannot connect to the Docker daemon"], "a running Docker"),
    ("", &["docker.sock"], "a running Docker"),
    // Drivers of browsers.
    ("", &["Executable doesn't exist at", "playwright"], "a browser of Playwright"),
    ("", &["cannot find Chrome binary"], "the browser Chrome"),
    ("", &["chromedriver", "PATH"], "the program `chromedriver`"),
    ("", &["geckodriver", "PATH"], "the program `geckodriver`"),
    // Modules that look for a program themselves.
    ("", &["Bad git executable"], "the program `git`"),
    ("", &["failed to initialize: Bad git"], "the program `git`"),
    ("", &["failed to execute", "PosixPath('dot')"], "the program `dot`"),
    ("", &["No pandoc was found"], "the program `pandoc`"),
    ("", &["tesseract is not installed"], "the program `tesseract`"),
    ("JVMNotFoundException", &[], "Java"),
    ("JavaNotFoundError", &[], "Java"),
    ("", &["JAVA_GATEWAY_EXITED"], "Java"),
    ("", &["Java gateway process exited"], "Java"),
    ("", &["Unable to find `java`"], "Java"),
];

/// Programs that tests start. Any other name in the same error may be a file of data.
const PROGRAMS: [&str; 42] = [
    "bash",
    "bzr",
    "cargo",
    "chromedriver",
    "cmake",
    "convert",
    "curl",
    "docker",
    "dot",
    "ffmpeg",
    "ffprobe",
    "g++",
    "gcc",
    "geckodriver",
    "gfortran",
    "git",
    "go",
    "gpg",
    "gs",
    "hg",
    "java",
    "javac",
    "make",
    "mvn",
    "node",
    "npm",
    "npx",
    "pandoc",
    "pdflatex",
    "perl",
    "pg_config",
    "pg_ctl",
    "psql",
    "redis-server",
    "rsync",
    "ruby",
    "rustc",
    "ssh",
    "sqlite3",
    "svn",
    "tesseract",
    "xelatex",
];

/// What is missing if a client raised this error with this first line, e.g. `PostgreSQL`.
pub(super) fn missing_service(error: &str, message: &str) -> Option<String> {
    if let Some(program) = missing_program(error, message) {
        return Some(format!("the program `{program}`"));
    }
    let fits = |(kind, parts, _): &&(&str, &[&str], &str)| {
        (kind.is_empty() || error.rsplit('.').next() == Some(kind)) && parts.iter().all(|part| message.contains(part))
    };
    SERVICES.iter().find(fits).map(|(.., service)| (*service).to_owned())
}

/// `FileNotFoundError: [Errno 2] No such file or directory: 'git'`.
fn missing_program<'m>(error: &str, message: &'m str) -> Option<&'m str> {
    let (_, rest) = message.split_once("No such file or directory: ")?;
    let quoted = rest.trim().strip_prefix(['\'', '"'])?;
    let name = quoted.split(['\'', '"']).next()?;
    let program = name.rsplit('/').next().unwrap_or(name);
    let absolute = name.starts_with("/usr/") || name.starts_with("/bin/") || !name.contains('/');
    (error == "FileNotFoundError" && absolute && PROGRAMS.contains(&program)).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_real_clients_name_what_they_could_not_reach() {
        for (error, message, service) in [
            (
                "OperationalError",
                r#"connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused"#,
                "PostgreSQL",
            ),
            (
                "OperationalError",
                r#"(psycopg2.OperationalError) connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory"#,
                "PostgreSQL",
            ),
            (
                "OperationalError",
                "could not connect to server: Connection refused\tIs the server running on host \"localhost\" (127.0.0.1) and accepting TCP/IP connections on port 5432?",
                "PostgreSQL",
            ),
            ("ConnectionRefusedError", "[Errno 111] Connect call failed ('127.0.0.1', 5432)", "PostgreSQL"),
            (
                "OperationalError",
                "(2003, \"Can't connect to MySQL server on 'localhost' ([Errno 111] Connection refused)\")",
                "MySQL",
            ),
            (
                "OperationalError",
                "(2002, \"Can't connect to local MySQL server through socket '/var/run/mysqld/mysqld.sock' (2)\")",
                "MySQL",
            ),
            ("ConnectionError", "Error 111 connecting to localhost:6379. Connection refused.", "Redis"),
            ("ConnectionRefusedError", "[Errno 111] Connect call failed ('127.0.0.1', 6379)", "Redis"),
            (
                "ServerSelectionTimeoutError",
                "localhost:27017: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms)",
                "MongoDB",
            ),
            (
                "ConnectionError",
                "Connection error caused by: ConnectionError(Connection error caused by: NewConnectionError(<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused)) http://localhost:9200",
                "Elasticsearch",
            ),
            ("AMQPConnectionError", "", "RabbitMQ"),
            ("pika.exceptions.AMQPConnectionError", "", "RabbitMQ"),
            ("ConnectionRefusedError", "[Errno 111] Connect call failed ('127.0.0.1', 5672)", "RabbitMQ"),
            ("NoBrokersAvailable", "NoBrokersAvailable", "Kafka"),
            ("TclError", "no display name and no $DISPLAY environment variable", "a display"),
            ("TclError", "couldn't connect to display \":99\"", "a display"),
            ("NoSuchDisplayException", "Cannot connect to \"None\"", "a display"),
            ("DisplayNameError", "Bad display name \"\"", "a display"),
            (
                "DockerException",
                "Error while fetching server API version: ('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))",
                "a running Docker",
            ),
            ("GitCommandNotFound", "Bad git executable.", "the program `git`"),
            ("FileNotFoundError", "[Errno 2] No such file or directory: 'git'", "the program `git`"),
            ("FileNotFoundError", "[Errno 2] No such file or directory: '/usr/bin/node'", "the program `node`"),
            ("FileNotFoundError", "[Errno 2] No such file or directory: 'java'", "the program `java`"),
            (
                "ExecutableNotFound",
                "failed to execute PosixPath('dot'), make sure the Graphviz executables are on your systems' PATH",
                "the program `dot`",
            ),
            (
                "JVMNotFoundException",
                "No JVM shared library file (libjvm.so) found. Try setting up the JAVA_HOME environment variable properly.",
                "Java",
            ),
            (
                "WebDriverException",
                "Message: 'chromedriver' executable needs to be in PATH.",
                "the program `chromedriver`",
            ),
        ] {
            assert_eq!(missing_service(error, message).as_deref(), Some(service), "{error}: {message}");
        }
    }

    #[test]
    fn an_error_of_the_code_itself_names_no_service() {
        for (error, message) in [
            ("FileNotFoundError", "[Errno 2] No such file or directory: 'data.json'"),
            ("FileNotFoundError", "[Errno 2] No such file or directory: '/testbed/tests/git'"),
            ("ConnectionRefusedError", "[Errno 111] Connection refused"),
            ("AssertionError", "assert 5432 == 5433"),
            ("KeyError", "'git'"),
            ("ModuleNotFoundError", "No module named 'psycopg2'"),
            ("OperationalError", "no such table: users"),
            ("", ""),
        ] {
            assert_eq!(missing_service(error, message), None, "{error}: {message}");
        }
    }
}
