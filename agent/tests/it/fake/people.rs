//! The services of the fake for people and operators, which agents hardly call.

use swarm_proto::v1::{
    AgentCounts, AsOf, GetServerInfoRequest, GetServerInfoResponse, GetStatusRequest, GetStatusResponse,
    GetTaskRequest, GetTaskResponse, Output, Task, TaskResult, admin_service_server::AdminService,
    task_service_server::TaskService,
};
use tonic::{Request, Response, Status};

use super::{Fake, cut, seconds};

#[tonic::async_trait]
impl AdminService for Fake {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let agents = Some(AgentCounts::default());
        Ok(Response::new(GetStatusResponse {
            agents,
            ..GetStatusResponse::default()
        }))
    }

    async fn get_server_info(
        &self,
        _: Request<GetServerInfoRequest>,
    ) -> Result<Response<GetServerInfoResponse>, Status> {
        let mut world = self.world();
        world.asked += 1;
        if world.away {
            return Err(cut());
        }
        Ok(Response::new(GetServerInfoResponse {
            as_of: Some(AsOf::default()),
            cluster_id: world.cluster_id(),
            lease_ttl: seconds(90),
            ..GetServerInfoResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl TaskService for Fake {
    async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<Response<GetTaskResponse>, Status> {
        if self.world().withholds_tasks {
            self.world().withheld += 1;
            self.until("tasks are shown", |world| (!world.withholds_tasks).then_some(()))
                .await;
        }
        {
            let mut world = self.world();
            world.cluster_id = world.cluster_id_after_get_task.or(world.cluster_id);
            if let Some(refusal) = &world.refuse_get_task {
                return Err(refusal.clone());
            }
        }
        let task_id = request.into_inner().task_id;
        let stdout = format!("all that {task_id} printed").into_bytes();
        let output = Some(Output {
            // Of one task only the end is kept.
            stdout_bytes: if task_id == "huge" {
                900_000
            } else {
                stdout.len() as u64
            },
            stdout,
            ..Output::default()
        });
        let task = Task {
            result: Some(TaskResult { attempt: 1, output }),
            ..Task::default()
        };
        Ok(Response::new(GetTaskResponse {
            task: Some(task),
            ..GetTaskResponse::default()
        }))
    }
}
