//! The services of the fake for people and operators, which agents hardly call.

use swarm_proto::v1::{
    AgentCounts, AsOf, CancelTasksRequest, CancelTasksResponse, ExplainTaskRequest, ExplainTaskResponse,
    FindIdsRequest, FindIdsResponse, GetJobRequest, GetJobResponse, GetServerInfoRequest,
    GetServerInfoResponse, GetStatusRequest, GetStatusResponse, GetTaskRequest, GetTaskResponse,
    ListJobsRequest, ListJobsResponse, ListTasksRequest, ListTasksResponse, Output, PauseRequest,
    PauseResponse, ResumeRequest, ResumeResponse, RetryTasksRequest, RetryTasksResponse, StopAllRequest,
    StopAllResponse, SubmitTasksRequest, SubmitTasksResponse, Task, TaskResult,
    admin_service_server::AdminService, task_service_server::TaskService,
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

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        Err(not_for_agents())
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        Err(not_for_agents())
    }

    async fn stop_all(&self, _: Request<StopAllRequest>) -> Result<Response<StopAllResponse>, Status> {
        Err(not_for_agents())
    }
}

#[tonic::async_trait]
impl TaskService for Fake {
    async fn get_task(&self, request: Request<GetTaskRequest>) -> Result<Response<GetTaskResponse>, Status> {
        {
            let mut world = self.world();
            world.cluster_id = world.cluster_id_after_get_task.or(world.cluster_id);
            if let Some(refusal) = &world.refuse_get_task {
                return Err(refusal.clone());
            }
        }
        let stdout = format!("all that {} printed", request.into_inner().task_id).into_bytes();
        let output = Some(Output {
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

    async fn submit_tasks(
        &self,
        _: Request<SubmitTasksRequest>,
    ) -> Result<Response<SubmitTasksResponse>, Status> {
        Err(not_for_agents())
    }

    async fn list_tasks(&self, _: Request<ListTasksRequest>) -> Result<Response<ListTasksResponse>, Status> {
        Err(not_for_agents())
    }

    async fn cancel_tasks(
        &self,
        _: Request<CancelTasksRequest>,
    ) -> Result<Response<CancelTasksResponse>, Status> {
        Err(not_for_agents())
    }

    async fn retry_tasks(
        &self,
        _: Request<RetryTasksRequest>,
    ) -> Result<Response<RetryTasksResponse>, Status> {
        Err(not_for_agents())
    }

    async fn get_job(&self, _: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        Err(not_for_agents())
    }

    async fn list_jobs(&self, _: Request<ListJobsRequest>) -> Result<Response<ListJobsResponse>, Status> {
        Err(not_for_agents())
    }

    async fn explain_task(
        &self,
        _: Request<ExplainTaskRequest>,
    ) -> Result<Response<ExplainTaskResponse>, Status> {
        Err(not_for_agents())
    }

    async fn find_ids(&self, _: Request<FindIdsRequest>) -> Result<Response<FindIdsResponse>, Status> {
        Err(not_for_agents())
    }
}

fn not_for_agents() -> Status {
    Status::unimplemented("an agent has no business here")
}
