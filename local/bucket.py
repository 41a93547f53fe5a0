"""The landing zone on an S3 stand-in. Invariant: creating it is idempotent.

Terraform creates the real landing zone (terraform/).
"""

from typing import TYPE_CHECKING, Any

import boto3
import typer
from botocore.exceptions import ClientError

from scripts.cli import run_cli
from scripts.settings import deployment

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import NotificationConfigurationTypeDef

QUEUE = "landing-arrivals"


def create_landing(
    session: boto3.Session, bucket: str, queue: str | None, **client_args: Any
) -> str | None:
    """Create the versioned bucket and its notification queue. Return the queue's URL."""
    s3 = session.client("s3", **client_args)
    try:
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    if queue is None:
        return None
    sqs = session.client("sqs", **client_args)
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=_notifications(found["Attributes"]["QueueArn"])
    )
    return url


def _notifications(queue_arn: str) -> "NotificationConfigurationTypeDef":
    """Return the bucket's configuration: notify the queue of every new raw object."""
    return {
        "QueueConfigurations": [
            {
                "QueueArn": queue_arn,
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {
                    "Key": {
                        "FilterRules": [
                            {"Name": "prefix", "Value": "raw/"},
                            {"Name": "suffix", "Value": ".json"},
                        ]
                    }
                },
            }
        ]
    }


def main() -> None:
    """Create LANDING_BUCKET and its queue at AWS_ENDPOINT_URL."""
    typer.echo(create_landing(boto3.Session(), deployment().bucket(), QUEUE))


if __name__ == "__main__":
    run_cli(main)
