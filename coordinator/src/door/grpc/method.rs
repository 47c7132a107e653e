//! What is known of a method before its request is read: from the schema, and from the table of requests.

use std::{collections::BTreeMap, sync::LazyLock};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::weight::{Message, Weights};
use crate::request::{Row, row_of};

/// How a method talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message each way.
    Message,
    /// Many messages answer one.
    Stream,
    /// Not one of the protocol: health, reflection, or what nobody serves.
    Foreign,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method(Option<&'static Known>);

#[derive(Debug)]
struct Known {
    kind: Kind,
    row: Row,
    message: Message,
}

struct Schema {
    weights: Weights,
    methods: BTreeMap<String, Known>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(swarm_proto::FILE_DESCRIPTOR_SET)
        .expect("the compiled schema is whole")
        .file;
    let weights = Weights::of(&files);
    let mut methods = BTreeMap::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let row = row_of(&name).expect("each method has its row");
                let kind = if method.server_streaming() {
                    Kind::Stream
                } else {
                    Kind::Message
                };
                let message = weights.message(method.input_type());
                methods.insert(name, Known { kind, row, message });
            }
        }
    }
    Schema { weights, methods }
});

impl Method {
    /// The method with this path.
    pub(super) fn of(path: &str) -> Method {
        Method(SCHEMA.methods.get(path.strip_prefix('/').unwrap_or(path)))
    }

    pub(super) fn kind(self) -> Kind {
        self.0.map_or(Kind::Foreign, |known| known.kind)
    }

    /// Its row in the table of requests.
    pub(super) fn row(self) -> Option<Row> {
        self.0.map(|known| known.row)
    }

    /// About how many bytes its request takes in memory when it has been read.
    pub(super) fn weight(self, message: &[u8]) -> u64 {
        self.0
            .map_or(0, |known| SCHEMA.weights.weigh(known.message, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_is_known_by_its_path_and_strangers_are_foreign() {
        let events = Method::of("/swarm.v1.CoordinatorService/StreamEvents");
        assert_eq!(events.kind(), Kind::Stream);
        let submit = Method::of("/swarm.v1.TaskService/SubmitTasks");
        assert_eq!((submit.kind(), submit.row().is_some()), (Kind::Message, true));
        for path in [
            "",
            "/",
            "/grpc.health.v1.Health/Watch",
            "/swarm.v1.TaskService/Made",
        ] {
            assert_eq!(Method::of(path).kind(), Kind::Foreign, "{path}");
        }
    }
}
