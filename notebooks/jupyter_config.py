"""For `jupyter-lab --config` and `jupyter nbconvert --config`: neither asks a network for anything."""

from pathlib import Path

c = get_config()  # noqa: F821 (Jupyter provides it)

c.HTMLExporter.require_js_url = ""
c.HTMLExporter.jquery_url = ""
c.HTMLExporter.mathjax_url = ""
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.app_settings_dir = str(Path(__file__).with_name("lab_settings"))  # without it, Lab asks whether to fetch news
