#!/usr/bin/env python3
"""Quantizes the tiny model from an S3 service and compares the artifacts with those of the model on
disk; cuts, stops and damages downloads; keeps them under a quota; and gives what cannot be read. The
service is moto's, which checks the signatures, with temporary credentials and objects in parts."""
import argparse
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from s3_service import Service

MODEL = pathlib.Path("tests/data/models/llama-tiny")
TEXTS = pathlib.Path("tests/data/text")
WEIGHTS = (MODEL / "model.safetensors").stat().st_size
WHOLE_WEIGHTS = f"GET /models/llama%20tiny/model.safetensors bytes=0-{WEIGHTS - 1}"
NO_CREDENTIALS = ("the coordinator has no credentials for S3; set AWS_ACCESS_KEY_ID and "
                  "AWS_SECRET_ACCESS_KEY in its environment (rondo-server's, or rondo's own without "
                  "--server)")


class Test:
    def __init__(self, bin_dir, service, folder):
        self.bin_dir, self.service, self.folder = bin_dir, service, pathlib.Path(folder)
        self.proxy = service.proxy
        self.failed = 0
        self.downloads = self.folder / "downloads"
        self.quota = None

    def expect(self, good, what):
        print(f"{'ok' if good else 'FAIL'}: {what}")
        self.failed += not good

    def argv(self, out, model="s3://models/llama tiny", calibration="s3://data/calibration.txt",
             heldout="s3://data/heldout.txt", command="quantize"):
        argv = [f"{self.bin_dir}/rondo", command, "--json", "--model", model, "--bits", "4",
                "--group-size", "32", "--calibration", calibration, "--samples", "4", "--seq-len",
                "64", "--workers", "1", "--threads", "1", "--eval", f"heldout={heldout}",
                "--eval-seq-len", "64", "--eval-windows", "2", "--download-dir",
                str(self.downloads)]
        if self.quota is not None:
            argv += ["--download-quota", self.quota]
        return argv + (["--out", str(self.folder / out)] if command == "quantize" else [])

    def environment(self, changes):
        environment = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        environment |= self.service.environment | changes
        return {name: value for name, value in environment.items() if value is not None}

    def run(self, out, changes=None, **options):
        self.proxy.take_requests()
        return subprocess.run(self.argv(out, **options), env=self.environment(changes or {}),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def expect_artifacts(self, result, out, what):
        if result.returncode != 0:
            print(result.stderr)
        self.expect(result.returncode == 0 and sums(self.folder / out) == self.wanted, what)

    def expect_refused(self, message, code, changes=None, **options):
        result = self.run("refused", changes, **options)
        last = result.stderr.strip().splitlines()[-1:]
        self.expect(result.returncode == code and last == [f"rondo: {message}"],
                    f"refused ({code}): {message}")
        if last != [f"rondo: {message}"] or result.returncode != code:
            print(f"      {result.returncode}: {last}")

    def whole(self):
        """Names of what is complete in the download folder."""
        return [path.name for path in self.downloads.glob("*") if "." not in path.name]


def sums(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.glob("*"))}


def same_bytes(test):
    local = test.run("local", model=str(MODEL), calibration=str(TEXTS / "calibration.txt"),
                     heldout=str(TEXTS / "heldout.txt"))
    test.wanted = sums(test.folder / "local")
    test.expect(local.returncode == 0 and len(test.wanted) > 5, "the model on disk")

    plan = test.run("", command="plan")
    test.expect(plan.returncode == 0 and json.loads(plan.stdout)["stages"], "rondo plan")
    test.expect(test.proxy.bytes < WEIGHTS / 4 and not test.whole(),
                f"the plan needs headers only: {test.proxy.bytes} bytes")

    result = test.run("remote")
    test.expect_artifacts(result, "remote", "the model in S3 gives the same artifacts")
    fetched = [json.loads(line)["source_fetched"] for line in result.stdout.splitlines()
               if '"source_fetched"' in line]
    test.expect([source["source"] for source in fetched] ==
                ["s3://models/llama tiny", "s3://data/calibration.txt", "s3://data/heldout.txt"],
                "its events say what was fetched")
    test.expect('"PHASE_FETCH"' in result.stdout, "and show progress")
    keys = [value for name, value in test.service.environment.items()
            if "SECRET" in name or "TOKEN" in name]
    told = result.stdout + result.stderr
    test.expect(not any(key in told for key in keys), "no credentials in events or messages")

    again = test.run("again")
    test.expect_artifacts(again, "again", "a second run")
    test.expect(not any(request.startswith("GET /models/") for request in
                        test.proxy.take_requests()), "downloads nothing")


def resumed(test):
    test.downloads = test.folder / "cut"
    test.proxy.cut_after(WHOLE_WEIGHTS, 700_000)
    test.expect_artifacts(test.run("cut-out"), "cut-out", "a connection that breaks off")
    rest = f"GET /models/llama%20tiny/model.safetensors bytes=700000-{WEIGHTS - 1}"
    test.expect(rest in test.proxy.take_requests(), f"goes on: {rest}")

    test.downloads = test.folder / "killed"
    test.proxy.hold_after(WHOLE_WEIGHTS, 900_000)
    killed = subprocess.Popen(test.argv("killed-out"), env=test.environment({}),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    test.expect(test.proxy.held.wait(120), "a download that stands still")
    partial = []
    while not partial or partial[0].stat().st_size < 900_000:
        partial = list(test.downloads.glob("*.partial/model.safetensors.partial"))
    killed.kill()
    killed.wait()
    test.proxy.released.set()
    test.expect(len(partial) == 1 and not test.whole(), "is nothing whole when rondo is killed")
    test.expect_artifacts(test.run("killed-out"), "killed-out", "the next run has the same artifacts")
    rest = f"GET /models/llama%20tiny/model.safetensors bytes=900000-{WEIGHTS - 1}"
    test.expect(rest in test.proxy.take_requests(), f"and goes on: {rest}")

    test.downloads = test.folder / "interrupted"
    test.proxy.hold_after(WHOLE_WEIGHTS, 900_000)
    stopped = subprocess.Popen(test.argv("interrupted-out"), env=test.environment({}),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    test.proxy.held.wait(120)
    stopped.send_signal(signal.SIGINT)
    test.expect(stopped.wait(60) == 4, "SIGINT cancels a download")
    test.proxy.released.set()


def quota(test):
    test.downloads = test.folder / "quota"
    test.run("first")
    first = set(test.whole())
    test.quota = "4MB"  # a model has 2.1, its texts 0.6
    test.expect_artifacts(test.run("second", model="s3://models/llama twin"), "second",
                          "a quota for one model")
    test.expect(len(first) == 3 and len(first & set(test.whole())) == 2 and len(test.whole()) == 3,
                "the other one made room, the texts stayed")
    test.quota = "1MB"
    names = "s3://models/llama tiny, s3://data/calibration.txt, s3://data/heldout.txt"
    test.expect_refused(f"{names} needs 2.7 MB; the quota of downloads is 1.0 MB "
                        "(--download-quota)", 5)
    test.quota = None


def refused(test):
    test.downloads = test.folder / "refused-downloads"
    test.proxy.damage(WHOLE_WEIGHTS)
    result = test.run("damaged")
    damaged = re.search(r"failed: s3://models/llama tiny/model.safetensors arrived damaged: its ETag "
                        r"is [0-9a-f]{32}-4, the service says [0-9a-f]{32}-4\n$", result.stderr)
    test.expect(result.returncode == 1 and damaged, "a damaged object fails the job")
    test.proxy.damage(r"GET /data/calibration.txt")
    result = test.run("damaged")
    damaged = re.search(r"failed: s3://data/calibration.txt arrived damaged: its SHA-256 is [^ ]{44}, "
                        r"the service says [^ ]{44}\n$", result.stderr)
    test.expect(result.returncode == 1 and damaged, "and a damaged text")

    where = test.proxy.url
    test.expect_refused("bucket nowhere of s3://nowhere/llama does not exist at " + where, 2,
                        model="s3://nowhere/llama")
    test.expect_refused("there is nothing below s3://models/gpt/", 2, model="s3://models/gpt")
    test.expect_refused("s3://data holds no config.json; it must be a Hugging Face model folder", 2,
                        model="s3://data")
    test.expect_refused("s3://data/none.txt does not exist", 2, calibration="s3://data/none.txt")
    test.expect_refused("bucket nowhere of s3://nowhere/c.txt does not exist at " + where, 2,
                        heldout="s3://nowhere/c.txt")
    test.expect_refused('model.path is "s3://models//llama"; it must be s3://BUCKET/KEY, a bucket of '
                        '3 to 63 of a-z 0-9 . - and a key without empty segments, . and ..', 2,
                        model="s3://models//llama")
    test.expect_refused("calibration text s3://data/empty.txt is empty", 2,
                        calibration="s3://data/empty.txt")
    test.expect_refused("s3://models/mamba/config.json: model_type \"mamba\" is not supported; "
                        "supported: llama, opt, qwen3", 2, model="s3://models/mamba")
    name = "s3://models/llama tiny"
    test.expect_refused(f"{name}: {NO_CREDENTIALS}", 2, {"AWS_SECRET_ACCESS_KEY": None})
    closed = f"the coordinator's credentials do not open {name}: "
    test.expect_refused(closed + "SignatureDoesNotMatch", 5, {"AWS_SECRET_ACCESS_KEY": "wrong"})
    test.expect_refused(closed + "InvalidAccessKeyId", 5, {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN",
                                                           "AWS_SESSION_TOKEN": None})
    test.expect_refused(closed + "InvalidToken", 5, {"AWS_SESSION_TOKEN": "wrong"})
    test.expect_refused(f'{name}: AWS_ENDPOINT_URL of the coordinator is "127.0.0.1:1"; it must '
                        "begin with https:// or http://", 2, {"AWS_ENDPOINT_URL": "127.0.0.1:1"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    service = Service()
    for bucket in ("models", "data"):
        service.make_bucket(bucket)
    service.put_folder("models", "llama tiny", MODEL)
    service.put_folder("models", "llama twin", MODEL)
    service.put("models", "llama tiny/flax_model.msgpack", b"the same weights once more")
    service.put("models", "mamba/config.json", b'{"model_type": "mamba"}')
    for text in ("calibration.txt", "heldout.txt"):
        service.put("data", text, (TEXTS / text).read_bytes())
    service.put("data", "empty.txt", b"")
    service.check_signatures()
    with tempfile.TemporaryDirectory() as folder:
        test = Test(parser.parse_args().bin_dir, service, folder)
        same_bytes(test)
        resumed(test)
        quota(test)
        refused(test)
    service.stop()
    sys.exit(1 if test.failed else 0)


if __name__ == "__main__":
    main()
