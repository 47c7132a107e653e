//! Every request there is, a row each. The doors read it through [`super::Requests::admit`].

use swarm_proto::v1;

use crate::core::admission::Load;

/// What is asked of the coordinator before it takes a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The method of the protocol, such as `swarm.v1.TaskService/GetTask`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what the rows are compared with the protocol by")
    )]
    pub(crate) method: &'static str,
    /// Which requests are refused before this one; `None` when it is answered however much there is to do, because it
    /// writes nothing, or little that lessens the load.
    pub(crate) load: Option<Load>,
}

/// A message that asks for something. One without a row is none, and no door can let it in.
pub(crate) trait Asked {
    const ROW: Row;
}

macro_rules! table {
    ($($message:ident $method:literal $load:expr;)*) => {
        $(impl Asked for v1::$message {
            const ROW: Row = Row { method: concat!("swarm.v1.", $method), load: $load };
        })*

        #[cfg(test)]
        const ROWS: &[(&str, Row)] = &[$((stringify!($message), <v1::$message as Asked>::ROW),)*];
    };
}

table! {
    SubmitTasksRequest      "TaskService/SubmitTasks"               Some(Load::Submit);
    GetTaskRequest          "TaskService/GetTask"                   None;
    ListTasksRequest        "TaskService/ListTasks"                 None;
    CancelTasksRequest      "TaskService/CancelTasks"               Some(Load::Other);
    RetryTasksRequest       "TaskService/RetryTasks"                Some(Load::Other);
    GetJobRequest           "TaskService/GetJob"                    None;
    ListJobsRequest         "TaskService/ListJobs"                  None;
    ExplainTaskRequest      "TaskService/ExplainTask"               None;
    FindIdsRequest          "TaskService/FindIds"                   None;

    RegisterAgentRequest    "CoordinatorService/RegisterAgent"      Some(Load::Other);
    DeregisterAgentRequest  "CoordinatorService/DeregisterAgent"    Some(Load::Other);
    ClaimRequest            "CoordinatorService/Claim"              Some(Load::Claim);
    HeartbeatRequest        "CoordinatorService/Heartbeat"          None;
    CompleteRequest         "CoordinatorService/Complete"           Some(Load::Complete);
    StreamEventsRequest     "CoordinatorService/StreamEvents"       None;

    ListAgentsRequest       "AgentService/ListAgents"               None;
    GetAgentRequest         "AgentService/GetAgent"                 None;
    DrainAgentRequest       "AgentService/DrainAgent"               Some(Load::Other);
    UndrainAgentRequest     "AgentService/UndrainAgent"             None;

    ListQueuesRequest       "QueueService/ListQueues"               None;
    LimitQueueRequest       "QueueService/LimitQueue"               Some(Load::Other);

    PauseRequest            "AdminService/Pause"                    Some(Load::Other);
    ResumeRequest           "AdminService/Resume"                   None;
    StopAllRequest          "AdminService/StopAll"                  None;
    GetStatusRequest        "AdminService/GetStatus"                None;
    GetServerInfoRequest    "AdminService/GetServerInfo"            None;
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
            .map(|(message, row)| (row.method.to_owned(), (*message).to_owned()))
            .collect();
        assert_eq!(rows.len(), ROWS.len(), "a method has two rows");
        assert_eq!(rows, methods);
    }
}
