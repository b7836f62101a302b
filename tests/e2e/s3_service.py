"""moto's S3 service, which checks signatures, behind a proxy that writes down what is asked for and
spoils answers: for tests/e2e/s3_sources.py."""
import http.client
import http.server
import json
import logging
import os
import pathlib
import re
import threading

os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "1024"  # before moto reads it

import boto3
import requests
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
PART_BYTES = 600_000
ALLOW = json.dumps({"Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})


class Service:
    """moto with one role; `environment` is that of a program which may read everything."""

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.moto.start()
        self.address = "{}:{}".format(*self.moto.get_host_and_port())
        self.s3 = self.client("s3")
        iam = self.client("iam")
        role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        iam.put_role_policy(RoleName="reader", PolicyName="s3", PolicyDocument=ALLOW)
        keys = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        self.proxy = Proxy(self.address)
        self.environment = {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                            "AWS_SESSION_TOKEN": keys["SessionToken"], "AWS_REGION": REGION,
                            "AWS_ENDPOINT_URL": self.proxy.url, "NO_PROXY": "127.0.0.1"}

    def client(self, name):
        return boto3.client(name, endpoint_url=f"http://{self.address}", region_name=REGION,
                            aws_access_key_id="any", aws_secret_access_key="any")

    def make_bucket(self, bucket):
        where = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)

    def put_folder(self, bucket, prefix, folder):
        for file in sorted(path for path in pathlib.Path(folder).iterdir() if path.is_file()):
            self.put(bucket, f"{prefix}/{file.name}", file.read_bytes())

    def put(self, bucket, key, contents):
        """Large objects in parts, as every client does; the others with a checksum."""
        if len(contents) < 2 * PART_BYTES:
            self.s3.put_object(Bucket=bucket, Key=key, Body=contents, ChecksumAlgorithm="SHA256")
            return
        target = {"Bucket": bucket, "Key": key}
        upload = self.s3.create_multipart_upload(**target)["UploadId"]
        parts = []
        for start in range(0, len(contents), PART_BYTES):
            number = len(parts) + 1
            part = self.s3.upload_part(**target, UploadId=upload, PartNumber=number,
                                       Body=contents[start:start + PART_BYTES])
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self.s3.complete_multipart_upload(**target, UploadId=upload,
                                          MultipartUpload={"Parts": parts})

    def check_signatures(self):
        """From now on: every request must be signed with keys that the service gave away."""
        requests.post(f"http://{self.address}/moto-api/reset-auth", data="0", timeout=10)

    def stop(self):
        self.proxy.stop()
        self.moto.stop()


class Proxy:
    """Hands requests on as they are, so that their signatures hold."""

    def __init__(self, target):
        self.target = target
        self.requests = []       # "GET /bucket/key bytes=0-9"
        self.bytes = 0           # of bodies, to clients
        self.fault = None        # (pattern of a request, what to do with the body of the next such)
        self.held = threading.Event()
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.released.set()
        self.server.shutdown()

    def take_requests(self):
        taken, self.requests, self.bytes = self.requests, [], 0
        return taken

    def answer(self, handler):
        line = f"{handler.command} {handler.path} {handler.headers.get('Range', '')}".strip()
        self.requests.append(line)
        connection = http.client.HTTPConnection(self.target)
        connection.request(handler.command, handler.path, headers=dict(handler.headers))
        answer = connection.getresponse()
        body = answer.read()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                handler.send_header(name, value)
        handler.end_headers()
        if self.fault is not None and re.search(self.fault[0], line):
            fault, self.fault = self.fault[1], None
            body = fault(handler, body)
            if body is None:  # the connection ends here
                handler.close_connection = True
                return
        self.bytes += len(body)
        handler.wfile.write(body)

    # Faults, of the next request that matches.
    def cut_after(self, pattern, count):
        def cut(handler, body):
            handler.wfile.write(body[:count])
        self.fault = (pattern, cut)

    def hold_after(self, pattern, count):
        def hold(handler, body):
            handler.wfile.write(body[:count])
            handler.wfile.flush()
            self.held.set()
            self.released.wait()
        self.held.clear()
        self.released.clear()
        self.fault = (pattern, hold)

    def damage(self, pattern):
        self.fault = (pattern, lambda _, body: body[:-1] + bytes([body[-1] ^ 1]))
