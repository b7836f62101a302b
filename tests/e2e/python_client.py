#!/usr/bin/env python3
"""A client that knows nothing of Rondo but its address: it learns the services by reflection,
submits a job, watches it to the end, and downloads and verifies the artifacts."""
import argparse
import hashlib
import os
import subprocess
import sys
import tempfile

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)

DATA = "tests/data"


class Service:
    """Methods of one service, found by reflection."""

    def __init__(self, channel, pool, name):
        for method in pool.FindServiceByName(name).methods:
            path = f"/{name}/{method.name}"
            request = GetMessageClass(method.input_type)
            answer = GetMessageClass(method.output_type)
            make = channel.unary_stream if method.server_streaming else channel.unary_unary
            call = make(path, request_serializer=request.SerializeToString,
                        response_deserializer=answer.FromString)
            setattr(self, method.name, lambda call=call, request=request, **fields:
                    call(request(**fields), timeout=300))


def start(argv, line):
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    for text in process.stderr:
        if line in text:
            return process, text.strip()
    sys.exit(f"{argv[0]} ended without saying \"{line}\"")


def run_job(address, directory):
    channel = grpc.insecure_channel(address)
    database = ProtoReflectionDescriptorDatabase(channel)
    names = database.get_services()
    assert "rondo.v1.JobService" in names and "grpc.health.v1.Health" in names, names
    pool = DescriptorPool(database)
    jobs = Service(channel, pool, "rondo.v1.JobService")
    artifacts = Service(channel, pool, "rondo.v1.ArtifactService")

    spec = dict(
        model_path=os.path.abspath(f"{DATA}/models/llama-tiny"),
        calibration=dict(path=os.path.abspath(f"{DATA}/text/calibration.txt"), samples=8,
                         seq_len=128),
        grid=dict(bits=4, group_size=32), gptq={}, workers=2, exports=[2])
    submitted = jobs.SubmitJob(request_id="python-1", spec=spec)
    again = jobs.SubmitJob(request_id="python-1", spec=spec)
    assert again.existed and again.job.id == submitted.job.id, again
    job_id = submitted.job.id

    numbers, kinds = [], set()
    for answer in jobs.WatchJob(job_id=job_id):
        if answer.HasField("event"):
            numbers.append(answer.event.number)
            kinds.add(answer.event.WhichOneof("body"))
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    assert {"plan_made", "gang_formed", "layer_quantized", "artifacts_published"} <= kinds, kinds
    resumed = [a.event.number for a in jobs.WatchJob(job_id=job_id, after_event=3)
               if a.HasField("event")]
    assert resumed == numbers[3:], resumed

    job = jobs.GetJob(job_id=job_id).job
    assert job.state == 5, job
    for info in artifacts.ListArtifacts(job_id=job_id).artifacts:
        data = b"".join(part.data for part in artifacts.DownloadArtifact(
            job_id=job_id, format=info.format, name=info.name))
        assert len(data) == info.bytes and hashlib.sha256(data).hexdigest() == info.sha256, info
        with open(os.path.join(directory, info.name), "wb") as file:
            file.write(data)
        tail = b"".join(part.data for part in artifacts.DownloadArtifact(
            job_id=job_id, format=info.format, name=info.name, offset=info.bytes - 1))
        assert tail == data[-1:], info
    print(f"job {job_id}: {len(numbers)} events, {sorted(os.listdir(directory))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    bin_dir = parser.parse_args().bin_dir
    with tempfile.TemporaryDirectory() as directory:
        server, line = start([f"{bin_dir}/rondo-server", "--listen", "127.0.0.1:0", "--state-dir",
                              f"{directory}/state"], "listening on ")
        address = line.split("listening on ")[1].split()[0]
        workers = [subprocess.Popen([f"{bin_dir}/rondo-worker", "--coordinator", address],
                                    stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            os.mkdir(f"{directory}/download")
            run_job(address, f"{directory}/download")
        finally:
            for process in [*workers, server]:
                process.terminate()
            codes = [process.wait(30) for process in [*workers, server]]
        assert codes == [0, 0, 0], codes


if __name__ == "__main__":
    main()
