import shutil, tempfile
from pathlib import Path
import pytest
from lamina.store.files import remove_tree
from tests.build.kitchen import Kitchen
@pytest.fixture
def kitchen(inside):
    folder = tempfile.mkdtemp(prefix="lamina-build-", dir="/dev/shm")
    made = Kitchen(Path(folder))
    try:
        made.add_busybox()
        yield made
    finally:
        made.close()
        remove_tree(folder)
        shutil.rmtree(folder, ignore_errors=True)
