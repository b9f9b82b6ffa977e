#!/usr/bin/env bash
# Fetches Beam's job server for Flink and Flink itself through Maven into the folder $1, checked by their SHA-256 sums:
# FOLDER/job-server/*.jar, and job-server.jar beside them, which `java -jar` starts. About 155 MB.
#
# The job server is not the one jar that Beam releases as beam-runners-flink-1.19-job-server, but the parts that it is
# made of, so that a registry that lacks it will do. Beam 2.62 is the newest version with all parts in the registry that
# CI reaches; a job server serves newer Python SDKs, too.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
sums=dcdeff3a17d593ad695e7ee1bec0de448e340d2108a8b7e88aaa1b958c4f29d6 # of `sha256sum *.jar`, sorted by name

mkdir -p "$folder"
cp "$here/flink.xml" "$folder/pom.xml"
rm -rf "$folder/job-server"
mvn -B -q -f "$folder/pom.xml" dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$folder/job-server"
found=$(cd "$folder/job-server" && LC_ALL=C sha256sum -- *.jar | sha256sum | cut -d' ' -f1)
if [ "$found" != "$sums" ]; then
  echo "the jars in $folder/job-server are not those that were tested: $found" >&2
  exit 1
fi
python3 - "$folder/job-server" <<'PYTHON'
import sys, zipfile
from pathlib import Path

folder = Path(sys.argv[1])
lines = ["Manifest-Version: 1.0", "Main-Class: org.apache.beam.runners.flink.FlinkJobServerDriver"]
entry = "Class-Path: " + " ".join(sorted(jar.name for jar in folder.glob("*.jar")))
lines += [entry[:70], *(f" {entry[start:start + 69]}" for start in range(70, len(entry), 69))]
with zipfile.ZipFile(folder / "job-server.jar", "w") as jar:
    jar.writestr("META-INF/MANIFEST.MF", "\r\n".join(lines) + "\r\n\r\n")
PYTHON
