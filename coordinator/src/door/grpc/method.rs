//! What is known of a method before its request is read: from the schema, and from the table of requests.

use std::{collections::BTreeMap, sync::LazyLock};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::{
    MAX_FOREIGN_BYTES,
    weight::{Message, Weights},
};
use crate::request::row_of;

/// A probe asks this of a coordinator that is full of streams, too. The other methods of others are streams, or may be.
const HEALTH_CHECK: &str = "grpc.health.v1.Health/Check";

/// How a method talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message each way.
    Message,
    /// Many messages answer one.
    Stream,
    /// Neither one of the protocol nor a health check: reflection, say, or what nobody serves.
    Foreign,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method(Option<&'static Known>);

#[derive(Debug)]
struct Known {
    kind: Kind,
    message_bytes: usize,
    /// `None` for one that is as large as it looks.
    message: Option<Message>,
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
                let known = Known {
                    kind,
                    message_bytes: row.message_bytes,
                    message: Some(weights.message(method.input_type())),
                };
                methods.insert(name, known);
            }
        }
    }
    let health_check = Known {
        kind: Kind::Message,
        message_bytes: MAX_FOREIGN_BYTES,
        message: None,
    };
    methods.insert(HEALTH_CHECK.to_owned(), health_check);
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

    /// Bytes of its message at most; `None` for a foreign one, which may have several.
    pub(super) fn message_bytes(self) -> Option<usize> {
        self.0.map(|known| known.message_bytes)
    }

    /// About how many bytes its request takes in memory when it has been read.
    pub(super) fn weight(self, message: &[u8]) -> u64 {
        let kind = self.0.and_then(|known| known.message);
        kind.map_or(0, |kind| SCHEMA.weights.weigh(kind, message))
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::limits::MAX_MESSAGE_BYTES;

    use super::*;

    #[test]
    fn each_method_is_known_by_its_path_and_strangers_are_foreign() {
        let events = Method::of("/swarm.v1.CoordinatorService/StreamEvents");
        assert_eq!(events.kind(), Kind::Stream);
        let submit = Method::of("/swarm.v1.TaskService/SubmitTasks");
        assert_eq!(
            (submit.kind(), submit.message_bytes()),
            (Kind::Message, Some(MAX_MESSAGE_BYTES))
        );
        let probe = Method::of("/grpc.health.v1.Health/Check");
        assert_eq!(probe.kind(), Kind::Message, "it takes no place of a stream");
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
