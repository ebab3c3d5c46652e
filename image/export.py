"""Export the model while the image is built: every precision, because the GPU that will run it is not here.

Apart from `bakeoff export`, so that this step depends on few files and is seldom repeated.
"""

import os
import sys

from server.model.artifacts import ModelError
from server.model.ensure import ensure_model
from server.settings import SettingsError, load_settings

try:
    settings = load_settings()
    model = ensure_model(settings, print, for_any_device=True)
except (ModelError, SettingsError) as error:
    sys.exit(f"image: {error}")
(settings.home.root / "export.lock").unlink(missing_ok=True)
for folder, _, files in os.walk(settings.home.root):
    for name in files:  # the same content is then the same layer, which is pushed and pulled once
        os.utime(os.path.join(folder, name), (0, 0))  # noqa: PTH118
    os.utime(folder, (0, 0))
print(f"model: {model.source}, {', '.join(sorted(model.onnx))}")
