//! Images.

use super::Docker;

impl Docker {
    /// The address under which the Docker client files credentials for the engine's default registry. Asked for only when there are
    /// credentials at all.
    pub(super) async fn default_registry(&self) -> Option<String> {
        let config = self.config.as_ref()?.join("config.json");
        tokio::fs::metadata(config).await.ok()?;
        self.client.info().await.ok()?.index_server_address
    }
}
