use super::*;
use crate::dataset::turns::with_reasoning;

fn generation(fields: serde_json::Value) -> Generation {
    let mut value = json!({"instance_id": "i", "skill": "repair"});
    value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_generation_brings_its_own_prompt_only_if_it_has_turns_before_the_answer() {
    let user = json!({"role": "user", "content": "q"});
    let assistant = json!({"role": "assistant", "content": "a"});
    let table = [
        (json!({"completion": "a"}), None),
        (json!({"messages": [assistant]}), None),
        (json!({"messages": [user, assistant]}), Some(1)),
        (json!({"completion": "b", "messages": [user]}), Some(1)),
        (json!({"completion": "a", "messages": [user, assistant]}), Some(1)),
        (json!({"completion": "b", "messages": [user, assistant, user]}), Some(3)),
        (json!({"messages": [user, assistant, user, assistant]}), Some(3)),
    ];
    for (fields, turns) in table {
        assert_eq!(own_prompt(&generation(fields.clone())).map(<[_]>::len), turns, "{fields}");
    }
}

#[test]
fn reasoning_that_came_apart_is_put_back_once() {
    assert_eq!(with_reasoning("answer", Some("why")), "<think>\nwhy\n</think>\n\nanswer");
    assert_eq!(with_reasoning("<think>why</think>answer", Some("why")), "<think>why</think>answer");
    assert_eq!(with_reasoning("  answer\n", None), "  answer\n");
    assert_eq!(with_reasoning("answer", Some(" ")), "answer");
}

#[test]
fn reasoning_stands_apart_only_where_it_was_asked_for_and_an_answer_follows() {
    let table = [
        (json!({"completion": "answer", "reasoning_content": "why"}), "answer", Some("why")),
        (json!({"completion": "<think>why</think>\nanswer"}), "answer", Some("why")),
        (json!({"completion": "answer"}), "answer", None),
        (json!({"completion": "<think>why"}), "<think>why", None),
    ];
    for (fields, content, reasoning) in table {
        let (message, found) = answer(&generation(fields.clone()), Reasoning::Apart);
        assert_eq!((message.content.as_str(), found.as_deref()), (content, reasoning), "{fields}");
        assert_eq!(answer(&generation(fields), Reasoning::Inline).1, None);
    }
}

#[test]
fn the_columns_are_the_fields_of_the_rows() {
    let names = |columns: Vec<Column>| columns.iter().map(|column| column.name).collect::<Vec<_>>();
    let fields = |schema: schemars::Schema| {
        let properties = schema.get("properties").unwrap().as_object().unwrap().clone();
        properties.keys().cloned().collect::<Vec<_>>()
    };
    let all = |config: &str| {
        names(columns_of(
            config,
            ExtraColumns {
                lost_files: true,
                outside_suite: true,
                lost_tests: true,
                ordered_tests: true,
                channel: true,
                admission_imported: true,
                test_files_run: true,
            },
        ))
    };
    assert_eq!(all("sft-repair"), fields(schemars::schema_for!(SftRow)));
    assert_eq!(all(RL), fields(schemars::schema_for!(RlRow)));
    assert_eq!(all(PREFERENCE), fields(schemars::schema_for!(PreferenceRow)));
    // Where nothing is lost, and the reporter is ours, the tables are as they were before that was looked at.
    assert_eq!(names(columns_of("sft-repair", ExtraColumns::default())), names(sft_columns()));
    assert!(!names(sft_columns()).iter().any(|name| {
        [
            "lost_files",
            "outside_suite",
            "lost_tests",
            "ordered_tests",
            "channel",
            "admission_imported",
            "test_files_run",
        ]
        .contains(name)
    }));
}
