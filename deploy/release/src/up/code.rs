//! The zips on their way to AWS. Keys and labels are made of the content's hash: what is there already is not sent again.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::aws::{Aws, existing};
use crate::package::Package;

/// Deadline of an upload.
const UPLOAD: Duration = Duration::from_mins(15);

/// The bucket of the functions' code.
pub(super) struct Code {
    aws: Aws,
    region: String,
    bucket: String,
}

impl Code {
    /// Finds out in which account it is.
    pub(super) async fn find(aws: &Aws, prefix: &str, region: &str) -> anyhow::Result<Self> {
        let answer = aws.call(&["sts", "get-caller-identity"]).await?;
        let account = answer["Account"].as_str().context("the account is not known")?;
        let bucket = format!("{prefix}rts-code-{account}-{region}");
        Ok(Self { aws: aws.clone(), bucket, region: region.to_owned() })
    }

    /// Returns the parameters of the functions' stack.
    pub(super) fn parameters(&self, package: &Package) -> [(String, String); 3] {
        [
            ("CodeBucket".to_owned(), self.bucket.clone()),
            ("MessageCodeKey".to_owned(), package.messages.file.clone()),
            ("RoomCodeKey".to_owned(), package.rooms.file.clone()),
        ]
    }

    /// Sends the functions.
    pub(super) async fn upload_functions(
        &self,
        from: &Path,
        package: &Package,
        say: &impl Fn(&str),
    ) -> anyhow::Result<()> {
        self.make_bucket().await?;
        for artifact in [&package.messages, &package.rooms] {
            say(&format!("{} is to be in {}", artifact.file, self.bucket));
            self.upload(&from.join(&artifact.file), &self.bucket, &artifact.file).await?;
        }
        Ok(())
    }

    /// Sends the bundle, and makes a version of it.
    pub(super) async fn upload_version(
        &self,
        application: &str,
        from: &Path,
        package: &Package,
        say: &impl Fn(&str),
    ) -> anyhow::Result<()> {
        let label = version(package);
        let asked = ["elasticbeanstalk", "describe-application-versions", "--application-name", application];
        let known = self.aws.call(&[&asked[..], &["--version-labels", &label]].concat()).await?;
        if known["ApplicationVersions"].as_array().is_some_and(|versions| !versions.is_empty()) {
            return Ok(());
        }
        let answer = self.aws.call(&["elasticbeanstalk", "create-storage-location"]).await?;
        let bucket = answer["S3Bucket"].as_str().context("Beanstalk has no bucket")?;
        let key = format!("rts/{}", package.bundle.file);
        say(&format!("{} is to be in {bucket}", package.bundle.file));
        self.upload(&from.join(&package.bundle.file), bucket, &key).await?;
        let source = format!("S3Bucket={bucket},S3Key={key}");
        let asked = ["elasticbeanstalk", "create-application-version", "--application-name", application];
        self.aws.call(&[&asked[..], &["--version-label", &label, "--source-bundle", &source]].concat()).await?;
        Ok(())
    }

    async fn make_bucket(&self) -> anyhow::Result<()> {
        if existing(self.aws.call(&["s3api", "head-bucket", "--bucket", &self.bucket]).await)?.is_none() {
            let place = format!("LocationConstraint={}", self.region);
            let mut asked = vec!["s3api", "create-bucket", "--bucket", &self.bucket];
            // The first region has no name here.
            if self.region != "us-east-1" {
                asked.extend(["--create-bucket-configuration", &place]);
            }
            self.aws.call(&asked).await?;
        }
        let closed = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true";
        let asked = ["s3api", "put-public-access-block", "--bucket", &self.bucket];
        self.aws.call(&[&asked[..], &["--public-access-block-configuration", closed]].concat()).await?;
        Ok(())
    }

    /// Sends a file, unless it is there.
    async fn upload(&self, file: &Path, bucket: &str, key: &str) -> anyhow::Result<()> {
        if existing(self.aws.call(&["s3api", "head-object", "--bucket", bucket, "--key", key]).await)?.is_some() {
            return Ok(());
        }
        let (file, to) = (file.to_string_lossy(), format!("s3://{bucket}/{key}"));
        self.aws.call_within(UPLOAD, &["s3", "cp", &file, &to, "--only-show-errors"]).await?;
        Ok(())
    }
}

/// Returns the label of a version.
pub(super) fn version(package: &Package) -> String {
    package.bundle.file.trim_end_matches(".zip").to_owned()
}
