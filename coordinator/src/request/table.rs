//! Every request there is, a row each. The doors read it through [`super::Requests::admit`].

use swarm_proto::{
    limits::{MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES},
    v1,
};

use crate::core::admission::Load;

/// What is asked of the coordinator before it takes a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The method of the protocol, such as `swarm.v1.TaskService/GetTask`.
    pub(crate) method: &'static str,
    /// Which requests are refused before this one; `None` when it is answered however much there is to do, because it
    /// writes nothing, or little that lessens the load.
    pub(crate) load: Option<Load>,
    /// Bytes of its message at most.
    pub(crate) message_bytes: usize,
}

/// The row of the method with this name.
pub(crate) fn row_of(method: &str) -> Option<Row> {
    ROWS.iter().find(|row| row.method == method).copied()
}

/// A message that asks for something. One without a row is none, and no door can let it in.
pub(crate) trait Asked {
    const ROW: Row;
}

macro_rules! table {
    ($($message:ident $method:literal $bytes:ident $load:expr;)*) => {
        $(impl Asked for v1::$message {
            const ROW: Row = Row {
                method: concat!("swarm.v1.", $method),
                load: $load,
                message_bytes: $bytes,
            };
        })*

        const ROWS: &[Row] = &[$(<v1::$message as Asked>::ROW,)*];

        #[cfg(test)]
        const MESSAGES: &[&str] = &[$(stringify!($message),)*];
    };
}

table! {
    SubmitTasksRequest      "TaskService/SubmitTasks"           MAX_MESSAGE_BYTES   Some(Load::Submit);
    GetTaskRequest          "TaskService/GetTask"               MAX_REQUEST_BYTES   None;
    ListTasksRequest        "TaskService/ListTasks"             MAX_REQUEST_BYTES   None;
    CancelTasksRequest      "TaskService/CancelTasks"           MAX_REQUEST_BYTES   Some(Load::Other);
    RetryTasksRequest       "TaskService/RetryTasks"            MAX_REQUEST_BYTES   Some(Load::Other);
    RemoveTasksRequest      "TaskService/RemoveTasks"           MAX_REQUEST_BYTES   Some(Load::Other);
    GetJobRequest           "TaskService/GetJob"                MAX_REQUEST_BYTES   None;
    ListJobsRequest         "TaskService/ListJobs"              MAX_REQUEST_BYTES   None;
    ExplainTaskRequest      "TaskService/ExplainTask"           MAX_REQUEST_BYTES   None;
    FindIdsRequest          "TaskService/FindIds"               MAX_REQUEST_BYTES   None;

    RegisterAgentRequest    "CoordinatorService/RegisterAgent"  MAX_REQUEST_BYTES   Some(Load::Other);
    DeregisterAgentRequest  "CoordinatorService/DeregisterAgent" MAX_REQUEST_BYTES   Some(Load::Other);
    ReportDeathRequest      "CoordinatorService/ReportDeath"    MAX_REQUEST_BYTES   Some(Load::Other);
    ClaimRequest            "CoordinatorService/Claim"          MAX_REQUEST_BYTES   Some(Load::Claim);
    HeartbeatRequest        "CoordinatorService/Heartbeat"      MAX_REQUEST_BYTES   None;
    CompleteRequest         "CoordinatorService/Complete"       MAX_MESSAGE_BYTES   Some(Load::Complete);
    StreamEventsRequest     "CoordinatorService/StreamEvents"   MAX_REQUEST_BYTES   None;

    ListAgentsRequest       "AgentService/ListAgents"           MAX_REQUEST_BYTES   None;
    GetAgentRequest         "AgentService/GetAgent"             MAX_REQUEST_BYTES   None;
    DrainAgentRequest       "AgentService/DrainAgent"           MAX_REQUEST_BYTES   Some(Load::Other);
    UndrainAgentRequest     "AgentService/UndrainAgent"         MAX_REQUEST_BYTES   None;
    ReleaseLeaseRequest     "AgentService/ReleaseLease"         MAX_REQUEST_BYTES   Some(Load::Other);
    ForgetAgentRequest      "AgentService/ForgetAgent"          MAX_REQUEST_BYTES   Some(Load::Other);

    ListQueuesRequest       "QueueService/ListQueues"           MAX_REQUEST_BYTES   None;
    LimitQueueRequest       "QueueService/LimitQueue"           MAX_REQUEST_BYTES   Some(Load::Other);

    PauseRequest            "AdminService/Pause"                MAX_REQUEST_BYTES   Some(Load::Other);
    ResumeRequest           "AdminService/Resume"               MAX_REQUEST_BYTES   None;
    StopAllRequest          "AdminService/StopAll"              MAX_REQUEST_BYTES   None;
    GetStatusRequest        "AdminService/GetStatus"            MAX_REQUEST_BYTES   None;
    GetServerInfoRequest    "AdminService/GetServerInfo"        MAX_REQUEST_BYTES   None;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn each_method_of_the_protocol_has_one_row_and_each_row_is_a_method() {
        let mut methods = BTreeMap::new();
        for file in FileDescriptorSet::decode(swarm_proto::FILE_DESCRIPTOR_SET)
            .unwrap()
            .file
        {
            for service in &file.service {
                for method in &service.method {
                    let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                    methods.insert(
                        name,
                        method.input_type().trim_start_matches(".swarm.v1.").to_owned(),
                    );
                }
            }
        }
        let rows: BTreeMap<String, String> = ROWS
            .iter()
            .zip(MESSAGES)
            .map(|(row, message)| (row.method.to_owned(), (*message).to_owned()))
            .collect();
        assert_eq!(rows.len(), ROWS.len(), "a method has two rows");
        assert_eq!(rows, methods);
    }
}
