//! The command of a task: `run`, and `command` with its fields.

use std::{path::Path, rc::Rc};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

use swarm_proto::mask::MASK;

use super::{
    draft::Draft,
    fields,
    reference::COMMAND,
    task::Reader,
    tree::{Content, Entry, Node},
};

/// RFC 4648 with padding; bits that no byte needs may be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

impl Reader<'_> {
    /// A string is a line for a shell; a list is the program and its arguments.
    pub(super) fn read_argv(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        let node = &entry.value;
        self.begin("spec.command.argv", field, entry);
        self.has_work = true;
        let argv = match &node.content {
            Content::Scalar { text, .. } if !field.ends_with("argv") => {
                if text.trim().is_empty() {
                    self.faults.push(node.position, format!("`{field}` is empty"));
                }
                vec!["sh".to_owned(), "-c".to_owned(), text.clone()]
            }
            _ => self.read_words(field, node),
        };
        if argv.iter().any(|word| word.contains('\0')) {
            self.faults.push(
                node.position,
                format!("`{field}` has a NUL character, which no command line can have"),
            );
        }
        draft.command.argv = argv;
    }

    fn read_words(&mut self, field: &str, node: &Rc<Node>) -> Vec<String> {
        if let Content::Map(_) = &node.content {
            let message = format!("`{field}` has to be a command line or a list of words, and this is a map");
            self.faults.push(node.position, message);
            return Vec::new();
        }
        let mut argv = Vec::new();
        for (index, word) in fields::items(node).iter().enumerate() {
            self.places.record(
                format!("{}.spec.command.argv[{index}]", self.prefix),
                word.position,
            );
            // In a command line, `null` is a word like any other.
            match &word.content {
                Content::Scalar { text, .. } => argv.push(text.clone()),
                _ => argv.extend(fields::text(word, field, self.faults).map(str::to_owned)),
            }
        }
        if fields::items(node).is_empty() || argv.first().is_some_and(String::is_empty) {
            self.faults
                .push(node.position, format!("`{field}` names no program"));
        }
        argv
    }

    pub(super) fn read_command(&mut self, entries: &[Entry], draft: &mut Draft) {
        for entry in entries {
            let key = entry.key.as_str();
            let field = format!("command.{key}");
            match key {
                "argv" if entry.value.is_null() => {}
                "argv" => self.read_argv(&field, entry, draft),
                "cwd" | "stdin" | "stdin_base64" | "env" if entry.value.is_null() => {}
                "cwd" | "stdin" | "stdin_base64" | "env" => {
                    self.read_command_field(key, &field, entry, draft)
                }
                _ => fields::unknown(key, entry.position, &[&COMMAND], self.faults),
            }
        }
    }

    pub(super) fn read_command_field(&mut self, key: &str, field: &str, entry: &Entry, draft: &mut Draft) {
        let node = &entry.value;
        let part = if key == "stdin_base64" { "stdin" } else { key };
        self.begin(&format!("spec.command.{part}"), field, entry);
        match key {
            "cwd" => {
                let Some(cwd) = fields::text(node, field, self.faults) else {
                    return;
                };
                if !Path::new(cwd).is_absolute() {
                    let message =
                        format!("`{field}` is '{cwd}': it has to be an absolute path on the agent's machine");
                    self.faults.push(node.position, message);
                }
                draft.command.cwd = cwd.to_owned();
            }
            "stdin" => {
                let stdin = fields::text(node, field, self.faults).unwrap_or_default();
                draft.command.stdin = stdin.as_bytes().to_vec();
            }
            // Binary input, as an export writes it.
            "stdin_base64" => {
                draft.command.stdin = fields::read(node, field, self.faults, decoded).unwrap_or_default();
            }
            _ => {
                let env = fields::pairs(node, field, self.faults).unwrap_or_default();
                for (name, value) in &env {
                    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                        let message = format!(
                            "`{field}`: '{}' cannot be an environment variable",
                            name.escape_debug()
                        );
                        self.faults.push(node.position, message);
                    }
                }
                self.refuse_masks(node);
                draft.command.env.extend(env);
            }
        }
    }

    /// Refuses masked values of environment variables, which an export has: a coordinator tells values to nobody but
    /// the agent, and a task with a mask as its value would fail in strange ways.
    fn refuse_masks(&mut self, env: &Node) {
        let Content::Map(entries) = &env.content else {
            return;
        };
        for Entry { key, value, .. } in entries {
            if matches!(&value.content, Content::Scalar { text, .. } if text == MASK) {
                self.faults.push_with_help(
                    value.position,
                    format!(
                        "the value of '{key}' is {MASK}: a coordinator tells it to nobody, so it was not exported"
                    ),
                    Some("write the value in its place".to_owned()),
                );
            }
        }
    }
}

/// The bytes of a text that may be broken into lines.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(text).map_err(|_| "this is no base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_in_base64_is_padded_and_may_be_broken_into_lines() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("/wD+\n AQ==\n", b"\xff\x00\xfe\x01"),
            ("Zh==", b"f"),
        ] {
            assert_eq!(decoded(text).as_deref(), Ok(bytes), "{text}");
        }
        for nonsense in ["Zg", "Zg=", "Z===", "====", "Z=g=", "Zg==Zg==", "Zm9*"] {
            assert!(decoded(nonsense).is_err(), "{nonsense}");
        }
    }
}
