//! The package as clients know it: nothing of it goes away or changes its meaning, its names follow
//! one style, everything is documented.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// What clients may rely on, a line each.
const LOCK: &str = "proto/nearfield/v1/api.lock";

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(nearfield_server::DESCRIPTOR).expect("a descriptor");
    set.file.into_iter().filter(|file| file.package() == "nearfield.v1").collect()
}

fn lines() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for file in files() {
        for service in &file.service {
            for method in &service.method {
                let stream = |is| if is { "stream " } else { "" };
                lines.insert(format!(
                    "rpc {}.{} ({}{}) returns ({}{})",
                    service.name(),
                    method.name(),
                    stream(method.client_streaming()),
                    method.input_type(),
                    stream(method.server_streaming()),
                    method.output_type(),
                ));
            }
        }
        for message in &file.message_type {
            lines.insert(format!("message {}", message.name()));
            for field in &message.field {
                let kind = match field.r#type() {
                    Type::Message | Type::Enum => field.type_name().to_owned(),
                    other => format!("{other:?}").to_lowercase(),
                };
                let label = match field.label() {
                    Label::Repeated => "repeated ",
                    _ if field.proto3_optional() => "optional ",
                    _ => "",
                };
                let within = message.oneof_decl.get(field.oneof_index.unwrap_or(-1) as usize);
                let within = within.filter(|_| !field.proto3_optional());
                let within = within.map(|one| format!(" in {}", one.name())).unwrap_or_default();
                let (message, name, number) = (message.name(), field.name(), field.number());
                lines.insert(format!("field {message}.{name} = {number} {label}{kind}{within}"));
            }
        }
        for list in &file.enum_type {
            for value in &list.value {
                let (name, number) = (value.name(), value.number());
                lines.insert(format!("value {}.{name} = {number}", list.name()));
            }
        }
    }
    lines
}

/// What the Python client makes its messages of.
const PYTHON: &str = "../python/python/nearfield/client/nearfield_v1.binpb";

#[test]
fn the_python_client_has_these_messages() {
    let mut set = FileDescriptorSet::decode(nearfield_server::DESCRIPTOR).expect("a descriptor");
    for file in &mut set.file {
        file.source_code_info = None;
    }
    let now = set.encode_to_vec();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PYTHON);
    if std::env::var_os("NEARFIELD_BLESS").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let shipped = std::fs::read(&path).expect("the descriptors");
    assert!(shipped == now, "write {PYTHON} by running this test with NEARFIELD_BLESS=1");
}

#[test]
fn nothing_that_clients_rely_on_has_changed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(LOCK);
    let now = lines();
    if std::env::var_os("NEARFIELD_BLESS").is_some() {
        let text: Vec<_> = now.iter().map(String::as_str).collect();
        std::fs::write(&path, text.join("\n") + "\n").expect("written");
    }
    let text = std::fs::read_to_string(&path).expect("the lock");
    let before: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let gone: Vec<_> = before.difference(&now).collect();
    assert!(gone.is_empty(), "a breaking change; clients rely on {gone:#?}");
    let new: Vec<_> = now.difference(&before).collect();
    assert!(
        new.is_empty(),
        "add these to {LOCK}, by running this test with NEARFIELD_BLESS=1: {new:#?}"
    );
}

fn is_upper_camel(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains('_')
}

fn is_snake(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(fits) && !name.starts_with('_') && !name.ends_with('_')
}

/// `INDEX_KIND_` for `IndexKind`.
fn prefix(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out + "_"
}

fn check_enum(list: &EnumDescriptorProto) {
    let prefix = prefix(list.name());
    assert!(is_upper_camel(list.name()), "{}", list.name());
    assert_eq!(list.value[0].name(), format!("{prefix}UNSPECIFIED"));
    assert_eq!(list.value[0].number(), 0);
    for value in &list.value {
        assert!(value.name().starts_with(&prefix), "{}", value.name());
    }
}

fn check_message(message: &DescriptorProto) {
    assert!(is_upper_camel(message.name()), "{}", message.name());
    for field in &message.field {
        assert!(is_snake(field.name()), "{}.{}", message.name(), field.name());
    }
    for one in &message.oneof_decl {
        assert!(is_snake(one.name().trim_start_matches('_')), "{}", one.name());
    }
}

/// The rules of `buf lint`'s STANDARD category.
#[test]
fn names_follow_the_style() {
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    for file in files() {
        assert!(file.name().starts_with("nearfield/v1/"), "{}", file.name());
        assert_eq!(file.syntax(), "proto3");
        file.enum_type.iter().for_each(check_enum);
        file.message_type.iter().for_each(check_message);
        for service in &file.service {
            assert!(service.name().ends_with("Service") && is_upper_camel(service.name()));
            for method in &service.method {
                let name = format!("{}.{}", service.name(), method.name());
                for (kind, given) in
                    [("Request", method.input_type()), ("Response", method.output_type())]
                {
                    let allowed = [
                        format!(".nearfield.v1.{}{kind}", method.name()),
                        format!(".nearfield.v1.{}{}{kind}", service.name(), method.name()),
                    ];
                    assert!(allowed.iter().any(|name| name == given), "{name}: {given}");
                    let other = used.insert(given.to_owned(), name.clone());
                    assert_eq!(other, None, "{given} is used twice");
                }
            }
        }
    }
}

#[test]
fn everything_is_documented() {
    let mut documented = 0;
    for file in files() {
        let info = file.source_code_info.clone().expect("comments");
        let comments: BTreeMap<Vec<i32>, String> = info
            .location
            .into_iter()
            .map(|place| (place.path.clone(), place.leading_comments().trim().to_owned()))
            .collect();
        let mut check = |path: &[i32], name: &str| {
            let comment = comments.get(path).map_or("", String::as_str);
            assert!(comment.len() > 3, "{}: {name} has no comment", file.name());
            assert!(comment.ends_with(['.', ':']), "{}: {name}: {comment:?}", file.name());
            documented += 1;
        };
        for (i, message) in (0..).zip(&file.message_type) {
            check(&[4, i], message.name());
            for (j, field) in (0..).zip(&message.field) {
                check(&[4, i, 2, j], field.name());
            }
        }
        for (i, list) in (0..).zip(&file.enum_type) {
            check(&[5, i], list.name());
            for (j, value) in (0..).zip(&list.value) {
                check(&[5, i, 2, j], value.name());
            }
        }
        for (i, service) in (0..).zip(&file.service) {
            check(&[6, i], service.name());
            for (j, method) in (0..).zip(&service.method) {
                check(&[6, i, 2, j], method.name());
            }
        }
    }
    assert!(documented > 200, "{documented}");
}
