"""From a Beam runner to its command-line arguments."""

from __future__ import annotations

# The engine of Beam's DirectRunner, named outright: under its public name Beam >= 2.68 first tries to download
# another runner (https://github.com/apache/beam/issues/35867). To be removed when DirectRunner stays offline.
#
# Without a container image TFX copies itself to the temporary folder, builds an sdist of it for workers elsewhere, and
# leaves both there, with every Beam step (make_beam_dependency_flags in
# https://github.com/tensorflow/tfx/blob/master/tfx/utils/dependency_utils.py). The image is never asked for here.
# To be removed when TFX does that for remote runners only.
DIRECT = ("--runner=FnApiRunner", "--sdk_container_image=unused")
"""In this process, on this machine."""
