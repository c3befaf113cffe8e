//! Columns of the row types: one description from which the Parquet schema and the card's features are made.

/// A named column or field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether a value may be missing.
    pub optional: bool,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    /// 64 bits, signed.
    Integer,
    /// 64 bits.
    Float,
    /// JSON text: free-form, decoded to objects by the `datasets` library.
    Json,
    /// A list of texts.
    Texts,
    Struct(Vec<Column>),
    /// A list of structs.
    Structs(Vec<Column>),
}

impl Column {
    pub fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: false }
    }

    pub fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    pub fn flag(name: &'static str) -> Self {
        Self::new(name, Kind::Flag)
    }

    pub fn optional_text(name: &'static str) -> Self {
        Self { optional: true, ..Self::text(name) }
    }

    pub fn texts(name: &'static str) -> Self {
        Self::new(name, Kind::Texts)
    }

    /// A struct of texts.
    pub fn texts_struct(name: &'static str, fields: &[&'static str]) -> Self {
        Self::new(name, Kind::Struct(fields.iter().copied().map(Self::text).collect()))
    }

    /// A list of chat messages.
    pub fn chat(name: &'static str) -> Self {
        Self::new(name, Kind::Structs(vec![Self::text("role"), Self::text("content")]))
    }
}

/// The `features` block of a dataset card, YAML, indented by `indent` spaces.
pub fn features_yaml(columns: &[Column], indent: usize) -> String {
    let mut text = String::new();
    for column in columns {
        feature(column, indent, &mut text);
    }
    text
}

fn feature(column: &Column, indent: usize, text: &mut String) {
    text.push_str(&format!("{:indent$}- name: {}\n", "", column.name));
    let indent = indent + 2;
    let mut line = |what: &str| text.push_str(&format!("{:indent$}{what}\n", ""));
    match &column.kind {
        Kind::Text => line("dtype: string"),
        Kind::Flag => line("dtype: bool"),
        Kind::Integer => line("dtype: int64"),
        Kind::Float => line("dtype: float64"),
        Kind::Json => line("dtype: json"),
        Kind::Texts => line("list: string"),
        Kind::Struct(fields) => {
            line("struct:");
            text.push_str(&features_yaml(fields, indent));
        }
        Kind::Structs(fields) => {
            line("list:");
            text.push_str(&features_yaml(fields, indent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_written_the_way_the_hub_reads_them() {
        let columns = [
            Column::text("id"),
            Column::texts("files"),
            Column::chat("messages"),
            Column::new("extra", Kind::Struct(vec![Column::new("index", Kind::Integer)])),
            Column::new("rate", Kind::Float),
            Column::new("metadata", Kind::Json),
        ];
        let expected = [
            "  - name: id",
            "    dtype: string",
            "  - name: files",
            "    list: string",
            "  - name: messages",
            "    list:",
            "    - name: role",
            "      dtype: string",
            "    - name: content",
            "      dtype: string",
            "  - name: extra",
            "    struct:",
            "    - name: index",
            "      dtype: int64",
            "  - name: rate",
            "    dtype: float64",
            "  - name: metadata",
            "    dtype: json",
        ];
        assert_eq!(features_yaml(&columns, 2).lines().collect::<Vec<_>>(), expected);
    }
}
