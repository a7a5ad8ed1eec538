//! The Lambda function that stores changes of rooms.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let queue = rts_persister::Queue::Rooms;
    rts_persister::lambda::run(queue).await.map_err(anyhow::Error::from_boxed)
}
