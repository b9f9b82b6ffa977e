# One image for every place that is not this machine: steps on Vertex AI and Kubeflow Pipelines, workers of Dataflow
# and Flink, batch prediction. docs/image.md tells how to build, check, pin and run it. No feature of BuildKit is used.
ARG PYTHON=python:3.11-slim-bookworm
# Its /opt/apache/beam is taken, as Beam's manual has it; the version is that of apache-beam in requirements/image.txt.
ARG BEAM=apache/beam_python3.11_sdk:2.77.0

FROM ${BEAM} AS beam

FROM ${PYTHON} AS build
# Two builds give the same files: bytecode names its source by hash, and the wheel made here is as old as zip can say.
ENV SOURCE_DATE_EPOCH=315532800 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# With pip: Beam's boot asks it whether Beam is installed, and gives up without an answer.
RUN python -m venv /opt/longhaul
ENV PATH=/opt/longhaul/bin:$PATH
WORKDIR /build
COPY requirements/bootstrap.txt requirements/image.txt requirements/
RUN pip install -q --no-cache-dir --no-deps --require-hashes --target /opt/uv -r requirements/bootstrap.txt && \
    /opt/uv/bin/uv pip install -q --python /opt/longhaul/bin/python --no-deps --require-hashes \
      --build-constraints requirements/image.txt --compile-bytecode -r requirements/image.txt
# Code after packages: an edit does not install them again.
COPY setup.py ./
COPY schema schema
COPY trainer trainer
COPY pipeline pipeline
RUN pip install -q --no-cache-dir --no-deps --no-index --no-build-isolation . && \
    cd /opt/longhaul/lib/python3.11/site-packages && \
    # What `longhaul doctor` compares with lies where a checkout has it.
    mkdir requirements && cp /build/requirements/image.txt requirements/lock.txt && \
    # 430 MB of C++ headers; a file of uv's that all may write.
    rm -r tensorflow/include /opt/longhaul/.lock

FROM ${PYTHON}
# By hand, for useradd writes down the day.
RUN echo 'longhaul:x:1000:1000::/home/longhaul:/bin/sh' >>/etc/passwd && echo 'longhaul:x:1000:' >>/etc/group && \
    install -d -o 1000 -g 1000 /home/longhaul
COPY --from=beam /opt/apache/beam /opt/apache/beam
COPY --from=build /opt/longhaul /opt/longhaul
# LightGBM wants the system's OpenMP, which a slim image lacks; scikit-learn brings the same library under another name.
RUN cd /usr/lib/x86_64-linux-gnu && \
    { [ -e libgomp.so.1 ] || ln -s /opt/longhaul/lib/python3.11/site-packages/scikit_learn.libs/libgomp-*.so.1* libgomp.so.1; }
# Beam's boot would make an environment of its own, without our packages.
ENV PATH=/opt/longhaul/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
USER 1000
WORKDIR /home/longhaul
# Vertex AI gives a command of its own. Beam's runners give only flags, which are for its boot; people give a command.
ENTRYPOINT ["/bin/sh", "-c", "case \"$1\" in -*) exec /opt/apache/beam/boot \"$@\" ;; *) exec \"$@\" ;; esac", "longhaul"]
CMD ["longhaul", "--help"]
