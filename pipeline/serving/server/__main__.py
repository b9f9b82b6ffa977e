"""One worker of several: `python -m pipeline.serving.server OPTIONS`, started by `pipeline.serving.server.process`."""

import sys

from pipeline.serving.server.process import Options, bound, run

if __name__ == "__main__":
    options = Options.from_text(sys.argv[1])
    run(options, bound(options.host, options.port, shared=True), lambda: None)
