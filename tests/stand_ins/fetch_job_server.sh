#!/usr/bin/env bash
# fetch_job_server.sh flink|spark FOLDER
#
# Fetches Beam's job server and the cluster's own programs through Maven, checked by their SHA-256 sums:
# FOLDER/job-server/*.jar, and job-server.jar beside them, which `java -jar` starts. 155 MB for Flink, 264 MB for Spark.
#
# The job server is not the one jar that Beam releases (beam-runners-…-job-server), but the parts that it is made of, so
# that a registry that lacks it will do. Beam 2.62 is the newest version with all parts in the registry that CI reaches; a
# job server serves newer Python SDKs, too.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
runner=$1 folder=$2
case $runner in # of `sha256sum *.jar`, sorted by name
  flink) name=Flink sums=dcdeff3a17d593ad695e7ee1bec0de448e340d2108a8b7e88aaa1b958c4f29d6 ;;
  spark) name=Spark sums=5b427b629a92199b89b4ed1d0830affbbc3b4b1ff41f2ef41967a487d48904dc ;;
esac

mkdir -p "$folder"
cp "$here/$runner.xml" "$folder/pom.xml"
rm -rf "$folder/job-server"
mvn -B -q -f "$folder/pom.xml" dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$folder/job-server"
found=$(cd "$folder/job-server" && LC_ALL=C sha256sum -- *.jar | sha256sum | cut -d' ' -f1)
if [ "$found" != "$sums" ]; then
  echo "the jars in $folder/job-server are not those that were tested: $found" >&2
  exit 1
fi
python3 - "$folder/job-server" "org.apache.beam.runners.$runner.${name}JobServerDriver" <<'PYTHON'
import sys, zipfile
from pathlib import Path

folder = Path(sys.argv[1])
lines = ["Manifest-Version: 1.0", f"Main-Class: {sys.argv[2]}"]
entry = "Class-Path: " + " ".join(sorted(jar.name for jar in folder.glob("*.jar")))
lines += [entry[:70], *(f" {entry[start:start + 69]}" for start in range(70, len(entry), 69))]
with zipfile.ZipFile(folder / "job-server.jar", "w") as jar:
    jar.writestr("META-INF/MANIFEST.MF", "\r\n".join(lines) + "\r\n\r\n")
PYTHON
