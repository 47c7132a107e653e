//! How much memory a message takes when it has been read, by its bytes and its schema, and without reading it.
//!
//! Two bytes of a message may say that a list has one thing more, which takes hundreds of bytes in memory. So lists are
//! counted before they are made.

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

/// A list has room for up to twice as much as is in it.
const ROOM: u64 = 2;
/// Text and lists begin with as much.
const HEAD: u64 = 24;
/// What the allocator adds to a piece of memory.
const PIECE: u64 = 16;
/// Messages within messages are read so deep by prost.
const MAX_DEPTH: u32 = 100;

/// A message of the schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message(usize);

/// See the module.
#[derive(Debug)]
pub(super) struct Weights {
    names: BTreeMap<String, usize>,
    shapes: Vec<Shape>,
}

#[derive(Debug, Default)]
struct Shape {
    /// Bytes of the message itself.
    size: u64,
    /// By number.
    fields: BTreeMap<u32, Field>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    /// What one thing more adds to a list; nothing when it is no list.
    element: u64,
    /// What it points to.
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Number,
    Text,
    Message(usize),
}

impl Weights {
    /// Those of all messages in these files.
    pub(super) fn of(files: &[FileDescriptorProto]) -> Weights {
        let mut messages = Vec::new();
        for file in files {
            for message in &file.message_type {
                collect(format!(".{}", file.package()), message, &mut messages);
            }
        }
        let names: BTreeMap<String, usize> = messages
            .iter()
            .enumerate()
            .map(|(index, (name, _))| (name.clone(), index))
            .collect();
        let sizes = Sizes {
            names: &names,
            messages: &messages,
        };
        let shapes = messages
            .iter()
            .map(|(_, message)| Shape {
                size: sizes.of_message(message, 0),
                fields: message
                    .field
                    .iter()
                    .filter_map(|field| Some((u32::try_from(field.number()).ok()?, sizes.field(field))))
                    .collect(),
            })
            .collect();
        Weights { names, shapes }
    }

    /// The message with this name, such as `.swarm.v1.Task`.
    ///
    /// # Panics
    ///
    /// When there is none: the schema is ours.
    pub(super) fn message(&self, name: &str) -> Message {
        Message(self.names[name])
    }

    /// See the module. Of bytes that are no message it counts those up to the fault, where their reading ends, too.
    pub(super) fn weigh(&self, message: Message, bytes: &[u8]) -> u64 {
        let mut weight = self.shapes[message.0].size;
        let mut bytes = bytes;
        // What is wrong with it is for the reader to say.
        let _ = self.add(message.0, &mut bytes, &mut weight, 0);
        weight
    }

    fn add(&self, shape: usize, bytes: &mut &[u8], weight: &mut u64, depth: u32) -> Option<()> {
        let fields = &self.shapes[shape].fields;
        while !bytes.is_empty() {
            let key = varint(bytes)?;
            let number = u32::try_from(key >> 3).ok()?;
            let field = fields.get(&number);
            let element = field.map_or(0, |field| field.element);
            match key & 7 {
                0 => {
                    varint(bytes)?;
                    *weight += element;
                }
                1 => {
                    split(bytes, 8)?;
                    *weight += element;
                }
                5 => {
                    split(bytes, 4)?;
                    *weight += element;
                }
                2 => {
                    let length = usize::try_from(varint(bytes)?).ok()?;
                    let mut inner = split(bytes, length)?;
                    match field.map(|field| field.content) {
                        // A packed list: a byte for each number, at least.
                        Some(Content::Number) => *weight += element * length as u64,
                        Some(Content::Text) => *weight += element + length as u64 + PIECE,
                        Some(Content::Message(shape)) => {
                            *weight += element;
                            if depth < MAX_DEPTH {
                                self.add(shape, &mut inner, weight, depth + 1)?;
                            }
                        }
                        None => {}
                    }
                }
                3 => skip_group(bytes, depth)?,
                _ => return None,
            }
        }
        Some(())
    }
}

/// All messages, with those that are declared within others.
fn collect<'a>(scope: String, message: &'a DescriptorProto, into: &mut Vec<(String, &'a DescriptorProto)>) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        collect(name.clone(), nested, into);
    }
    into.push((name, message));
}

struct Sizes<'a> {
    names: &'a BTreeMap<String, usize>,
    messages: &'a [(String, &'a DescriptorProto)],
}

impl Sizes<'_> {
    fn of_message(&self, message: &DescriptorProto, depth: u32) -> u64 {
        message
            .field
            .iter()
            .map(|field| {
                if is_list(field) {
                    HEAD
                } else {
                    self.of_one(field, depth)
                }
            })
            .sum()
    }

    /// Bytes of a field that is no list, or of one thing of a list.
    fn of_one(&self, field: &FieldDescriptorProto, depth: u32) -> u64 {
        match field.r#type() {
            Type::String | Type::Bytes => HEAD,
            Type::Message => match self.names.get(field.type_name()) {
                // What contains itself is a pointer somewhere.
                Some(&index) if depth < 16 => 8 + self.of_message(self.messages[index].1, depth + 1),
                Some(_) | None => HEAD,
            },
            _ => 16,
        }
    }

    fn field(&self, field: &FieldDescriptorProto) -> Field {
        let content = match field.r#type() {
            Type::String | Type::Bytes => Content::Text,
            Type::Message => match self.names.get(field.type_name()) {
                Some(&index) => Content::Message(index),
                None => Content::Text,
            },
            _ => Content::Number,
        };
        let element = match content {
            Content::Number if is_list(field) => 8 * ROOM,
            _ if is_list(field) => ROOM * self.of_one(field, 0) + PIECE,
            _ => 0,
        };
        Field { element, content }
    }
}

fn is_list(field: &FieldDescriptorProto) -> bool {
    field.label() == Label::Repeated
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (front, back) = bytes.split_at_checked(length)?;
    *bytes = back;
    Some(front)
}

/// prost passes over groups, which no message of ours has.
fn skip_group(bytes: &mut &[u8], depth: u32) -> Option<()> {
    if depth >= MAX_DEPTH {
        return None;
    }
    loop {
        match varint(bytes)? & 7 {
            0 => {
                varint(bytes)?;
            }
            1 => {
                split(bytes, 8)?;
            }
            2 => {
                let length = usize::try_from(varint(bytes)?).ok()?;
                split(bytes, length)?;
            }
            3 => skip_group(bytes, depth + 1)?,
            4 => return Some(()),
            5 => {
                split(bytes, 4)?;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use swarm_proto::{limits::MAX_SUBMIT_TASKS, v1};

    use super::*;
    use crate::program::limits::MAX_DECODED_BYTES;

    fn weights() -> Weights {
        Weights::of(
            &FileDescriptorSet::decode(swarm_proto::FILE_DESCRIPTOR_SET)
                .unwrap()
                .file,
        )
    }

    fn weigh(name: &str, bytes: &[u8]) -> u64 {
        let weights = weights();
        weights.weigh(weights.message(name), bytes)
    }

    #[test]
    fn a_message_is_never_larger_than_its_weight() {
        let weights = weights();
        let size = |name: &str| weights.shapes[weights.message(name).0].size as usize;
        assert!(size(".swarm.v1.NewTask") >= size_of::<v1::NewTask>());
        assert!(size(".swarm.v1.TaskSpec") >= size_of::<v1::TaskSpec>());
        assert!(size(".swarm.v1.AttemptReport") >= size_of::<v1::AttemptReport>());
        assert!(size(".swarm.v1.RegisterAgentRequest") >= size_of::<v1::RegisterAgentRequest>());
    }

    #[test]
    fn two_bytes_that_make_a_task_weigh_as_much_as_a_task() {
        let many = b"\x12\x00".repeat(1000);
        let weight = weigh(".swarm.v1.SubmitTasksRequest", &many);
        assert!(weight > 1000 * size_of::<v1::NewTask>() as u64, "{weight}");
        // The same behind a group, which is passed over, and up to a fault.
        let hidden = [b"\x0b\x0c".as_slice(), &many, b"\xff"].concat();
        assert_eq!(weigh(".swarm.v1.SubmitTasksRequest", &hidden), weight);
        // What nobody knows is not kept.
        let unknown = b"\xc2\x3e\x00".repeat(1000);
        assert!(weigh(".swarm.v1.SubmitTasksRequest", &unknown) < 1000);
    }

    #[test]
    fn the_largest_request_that_is_allowed_has_room() {
        let mut task = v1::NewTask {
            task_id: "t".repeat(20),
            spec: Some(v1::TaskSpec::default()),
        };
        let spec = task.spec.as_mut().unwrap();
        spec.name = "n".repeat(100);
        spec.labels = [
            ("team".to_owned(), "x".repeat(100)),
            ("k".to_owned(), "v".to_owned()),
        ]
        .into();
        let command = v1::Command {
            argv: vec!["a".repeat(20); 5],
            ..Default::default()
        };
        spec.work = Some(v1::task_spec::Work::Command(command));
        let request = v1::SubmitTasksRequest {
            job: None,
            tasks: vec![task; MAX_SUBMIT_TASKS],
        };
        let weight = weigh(".swarm.v1.SubmitTasksRequest", &request.encode_to_vec());
        assert!(weight < MAX_DECODED_BYTES * 3 / 4, "{} MiB", weight >> 20);
    }
}
