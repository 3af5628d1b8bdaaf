"""Makes what the functions expect to find: the table of template.yaml, two queues, two buckets, a bus and a sender of mail.

`cargo xtask table` runs it with the Python of the SAM CLI, whose own parser reads the template. Names are those of
env.json. Whatever is there already is left as it is.
"""

import argparse
import json
import pathlib
import sys
import urllib.parse

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_parse

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

# What CreateTable takes of the template's table. The rest (warm throughput, recovery) has no meaning on a laptop.
TABLE_FIELDS = ["AttributeDefinitions", "KeySchema", "BillingMode", "StreamSpecification"]
INDEX_FIELDS = ["IndexName", "KeySchema", "Projection"]
# Never AWS's: the credentials below open nothing there, and this says so before anything is sent.
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1", "host.docker.internal"}
# As in samconfig.toml: stand-ins keep regions apart.
REGION = "us-east-1"
THERE_ALREADY = {
    "ResourceInUseException",
    "ResourceAlreadyExistsException",
    "AlreadyExistsException",
    "BucketAlreadyOwnedByYou",
    "BucketAlreadyExists",
    "QueueAlreadyExists",
}


def local(url):
    if urllib.parse.urlsplit(url).hostname not in LOCAL_HOSTS:
        raise argparse.ArgumentTypeError(f"{url} is not this machine")
    return url


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 2}),
    )


def make(what, call, **arguments):
    """Makes one thing unless it is there."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in THERE_ALREADY:
            raise
    print(f"ready: {what}")


def table(endpoint, name):
    properties = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["Table"]["Properties"]
    create = {field: properties[field] for field in TABLE_FIELDS}
    indexes = properties["GlobalSecondaryIndexes"]
    create["GlobalSecondaryIndexes"] = [{field: index[field] for field in INDEX_FIELDS} for index in indexes]
    # CloudFormation leaves out what the API wants said.
    create["StreamSpecification"] = {**create["StreamSpecification"], "StreamEnabled": True}
    dynamodb = client("dynamodb", endpoint)
    make(f"table {name} at {endpoint}", dynamodb.create_table, TableName=name, **create)
    expiry = properties["TimeToLiveSpecification"]
    now = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if now.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=dict(expiry))


def others(endpoint, setting):
    for name in ("TIMER_QUEUE_URL", "TELLING_QUEUE_URL"):
        queue = setting(name).rsplit("/", 1)[1]
        make(f"queue {queue} at {endpoint}", client("sqs", endpoint).create_queue, QueueName=queue)
    for name in ("TICKET_BUCKET", "PLAN_UPLOAD_BUCKET"):
        bucket = setting(name)
        make(f"bucket {bucket} at {endpoint}", client("s3", endpoint).create_bucket, Bucket=bucket)
    bus = setting("EVENT_BUS_NAME")
    make(f"bus {bus} at {endpoint}", client("events", endpoint).create_event_bus, Name=bus)
    sender = setting("MAIL_FROM")
    identity = client("sesv2", endpoint).create_email_identity
    make(f"sender {sender} at {endpoint}", identity, EmailIdentity=sender)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", type=local, required=True, help="where DynamoDB Local answers")
    parser.add_argument("--aws-endpoint", type=local, help="where a stand-in for SQS, S3, EventBridge and SES answers")
    arguments = parser.parse_args()
    functions = json.loads((HERE / "env.json").read_text())

    def setting(name):
        return next(values[name] for values in functions.values() if name in values)

    try:
        table(arguments.endpoint, setting("TABLE_NAME"))
        if arguments.aws_endpoint:
            others(arguments.aws_endpoint, setting)
    except (BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
