#!/usr/bin/env python3
"""Holds the dependency table of ARCHITECTURE.md: who may include whom.

Usage: check_layers.py [--self-test]

Reads every #include of our sources. An include of ours must be allowed for the folder, and so must
a third-party library; the standard library and the system's headers are free. Exits 1 and names
file, line and rule.
"""

import argparse
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOPS = ["common", "kernels", "proto", "server", "worker", "client", "tests"]
SUFFIXES = {".h", ".cc", ".cu", ".cuh"}

# Third-party libraries by what their includes start with.
LIBRARIES = {
    "absl": "absl/",
    "protobuf": ("google/protobuf/", "google/rpc/", "rondo/v1/"),
    "grpc": ("grpcpp/", "grpc/", "grpc++/"),
    "torch": ("ATen/", "torch/", "c10/", "caffe2/", "gloo/"),
    "cuda": ("cuda", "cub/", "cublas", "thrust/", "nccl", "nvml"),
    "json": "nlohmann/",
    "sqlite": "sqlite3",
    "openssl": "openssl/",
    "curl": "curl/",
    "pcre2": "pcre2",
    "utf8proc": "utf8proc",
    "cli11": "CLI/",
    "httplib": "httplib",
    "prometheus": "prometheus/",
    "faiss": "faiss/",
    "benchmark": "benchmark/",
    "gtest": ("gtest/", "gmock/"),
}

# Folder: what it may include, of ours and of others. The longest entry that a path starts with
# counts; a folder may always include itself, and every folder may use absl.
RULES = {
    "common/base": [],
    "common/domain": ["common/base"],
    "common/io": ["common/base", "openssl"],
    "common/process": ["common/base"],
    "common/metrics": ["common/base", "common/process"],
    "common/format": ["common/base", "common/io", "common/domain", "json", "openssl"],
    "common/s3": ["common/base", "common/domain", "common/io"],
    "proto/convert": ["common/base", "common/domain", "protobuf"],
    "kernels": ["kernels/api", "common/base"],
    "kernels/cpu": ["kernels/api", "kernels/reference", "common/base"],
    "kernels/cuda": ["kernels/api", "kernels/reference", "common/base", "cuda"],
    "kernels/testing": ["kernels/api", "kernels/reference", "common/base", "cuda", "gtest", "benchmark"],
    "server/store": ["common/base", "common/domain", "common/metrics", "sqlite"],
    "server/core": ["common/base", "common/domain", "common/io", "common/format", "common/metrics",
                    "common/s3", "server/store", "json"],
    "proto/rpc": ["common/base", "common/io", "protobuf", "grpc", "openssl", "cli11"],
    "server/http": ["common/base", "httplib"],
    "server/security": ["common/base", "common/domain", "common/io", "openssl"],
    "server/rpc": ["common/base", "common/domain", "common/io", "common/metrics", "proto/convert", "proto/rpc",
                   "server/core", "server/security", "server/store", "protobuf", "grpc"],
    "client/lib": ["common/base", "common/domain", "common/io", "proto/rpc/connection.h", "json"],
    "client/cli": ["common/base", "common/domain", "common/io", "common/process",
                   "common/s3/s3_options.h", "client/lib", "proto/rpc/connection.h", "server/core", "server/store", "server/rpc", "json",
                   "cli11"],
    "worker/text": ["common/base", "common/domain", "common/io", "common/format", "json", "pcre2",
                    "utf8proc"],
    "worker/model": ["common/base", "common/domain", "common/io", "common/format", "kernels/api",
                     "torch"],
    "worker/algo": ["common/base", "common/domain", "kernels/api", "worker/model/catch_torch.h",
                    "torch"],
    "worker/train": ["common/base", "common/domain", "common/io", "common/format", "kernels/api",
                     "worker/algo", "worker/model", "openssl", "torch"],
    "worker/artifact": ["common/base", "common/domain", "common/io", "common/format", "kernels/api",
                        "worker/algo", "worker/model", "json", "torch"],
    "worker/comm": ["common/base", "worker/model/catch_torch.h", "torch", "cuda"],
    "worker/runtime": ["common/base", "common/domain", "common/process"],
    "worker/engine": ["common/base", "common/domain", "common/io", "common/format", "kernels/api",
                      "worker/algo", "worker/artifact", "worker/comm", "worker/model",
                      "worker/runtime", "worker/text", "worker/train", "torch"],
    "worker/rpc": ["common/base", "common/domain", "common/io", "common/process", "proto/convert",
                   "proto/rpc", "worker/runtime", "protobuf", "grpc"],
    # Binaries parse their own flags.
    "server/rpc/server_main.cc": ["common/base", "common/domain", "common/io", "common/metrics",
                                  "common/s3", "server", "cli11", "grpc"],
    "worker/rpc/worker_main.cc": ["common/base", "common/domain", "common/io", "worker/runtime",
                                  "proto/rpc/connection.h", "cli11"],
    "tests": ["common", "kernels", "proto/convert", "proto/rpc", "server", "client/lib", "worker", "gtest",
              "json", "httplib", "cli11", "torch", "protobuf", "grpc", "benchmark", "faiss"],
}

# Allowed in .cc files only, never in a header: the dependency stays private.
PRIVATE = {
    "common/s3": ["curl", "openssl"],
    "common/metrics": ["prometheus"],
    "server/store": ["proto/convert", "protobuf"],
    "worker/algo": ["faiss"],
    "worker/runtime": ["proto/convert", "protobuf"],
    "client/lib": ["proto/convert", "proto/rpc", "protobuf", "grpc"],
}

# Unit tests stand beside the code and may use more.
TEST_EXTRA = ["gtest", "json", "httplib", "common", "tests/golden", "kernels/testing"]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def library_of(include):
    for name, prefixes in LIBRARIES.items():
        if include.startswith(prefixes):
            return name
    return None


def folder_of(path, table):
    matches = [k for k in table if path == k or path.startswith(k + "/")]
    return max(matches, key=len, default=None)


def is_test(path):
    return path.startswith("tests/") or pathlib.PurePath(path).stem.endswith(("_test", "_fixture"))


def allowed_for(path):
    folder = folder_of(path, RULES)
    if folder is None:
        return None, []
    home = str(pathlib.PurePath(path).parent)
    allowed = [home, "absl", *RULES[folder]]
    private = folder_of(path, PRIVATE)
    if private and path.endswith(".cc"):
        allowed += PRIVATE[private]
    if is_test(path) or "/testing/" in path:
        allowed += TEST_EXTRA
    return folder, allowed


def check_file(root, path):
    """Yields one message a violation."""
    folder, allowed = allowed_for(path)
    seen = set()
    for number, line in enumerate((root / path).read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        include = match.group(1)
        ours = include.split("/")[0] in TOPS and "/" in include
        library = None if ours else library_of(include)
        if not ours and library is None:
            continue
        if folder is None:
            yield f"{path}:{number}: this folder has no rule in tools/check_layers.py"
            return
        name = include if ours else library
        seen.add(library)
        if not any(name == a or name.startswith(a + "/") for a in allowed):
            yield f"{path}:{number}: {folder} may not include {include} (rule {name.rsplit('/', 1)[0]})"
        if "torch" in seen and seen & {"protobuf", "grpc"}:
            yield f"{path}:{number}: torch and protobuf in one file (docs/adr/0001)"
            return


def check_tree(root):
    files = [p for top in TOPS for p in sorted((root / top).rglob("*")) if p.suffix in SUFFIXES]
    messages = []
    for file in files:
        messages += check_file(root, str(file.relative_to(root)))
    return len(files), messages


def self_test():
    """Every kind of violation must be found, and the tree's own idioms must pass."""
    bad = {
        "common/domain/a.h": "#include <google/protobuf/message.h>",
        "common/base/a.cc": '#include "common/io/file.h"',
        "server/core/a.cc": "#include <ATen/ATen.h>",
        "server/core/b.h": "#include <grpcpp/grpcpp.h>",
        "server/store/a.h": '#include "proto/convert/job.h"',
        "worker/runtime/a.h": '#include "proto/convert/agent.h"',
        "worker/model/a.cc": '#include "worker/engine/job.h"',
        "worker/rpc/a.cc": "#include <torch/torch.h>",
        "kernels/reference/a.cc": '#include "kernels/cpu/x.h"',
        "kernels/cpu/a.cc": "  #  include <ATen/ATen.h>",
        "tests/e2e/a.cc": "#include <torch/torch.h>\n#include <grpcpp/grpcpp.h>",
        "worker/unknown/a.cc": '#include "common/base/status.h"',
        "client/cli/a.cc": "#include <sqlite3.h>",
        "common/metrics/a.h": "#include <prometheus/counter.h>",
    }
    good = {
        "common/domain/b.cc": '#include <vector>\n#include "absl/strings/str_cat.h"\n#include "common/base/status.h"',
        "server/store/b.cc": '#include "proto/convert/job.h"\n#include <sqlite3.h>',
        "worker/text/b_test.cc": '#include <gtest/gtest.h>\n#include "worker/text/b.h"',
        "kernels/cpu/b.cc": '#include "kernels/reference/x.h"\n// #include <ATen/ATen.h>',
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {**bad, **good}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text + "\n")
        _, messages = check_tree(root)
    found = {m.split(":")[0] for m in messages}
    wrong = sorted(found ^ set(bad))
    for path in wrong:
        print(f"self-test: {path} {'was not found' if path in bad else 'was refused'}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", action="store_true", help="check that violations are found")
    if parser.parse_args().self_test:
        return self_test()
    count, messages = check_tree(ROOT)
    print("\n".join(messages) if messages else f"layers: {count} files keep to the table")
    return 1 if messages or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
