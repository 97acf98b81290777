"""Who uses filterkit's modules and classes as they are meant is not blamed for what Python leaves in them."""

from __future__ import annotations

import subprocess
import sys

USES = """
import copy, importlib, pickle, warnings
import filterkit, filterkit.errors, filterkit.plugins.protocols, filterkit.records
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.plugins.manager import PluginHost

class Uses:
    @filterkit.hookimpl
    def filterkit_after_ingest(self, event):
        importlib.import_module("filterkit.sources.presets")
        taken = [getattr(filterkit, name) for name in filterkit.__all__]  # which imports most of its modules
        for each in (*taken, filterkit.records, *vars(filterkit.plugins.protocols).values()):
            getattr(each, "__annotations__", None)
            getattr(each, "__annotate__", None)
        pickle.loads(pickle.dumps(copy.deepcopy([filterkit.UsageError("no"), ConvolutionExtractor(), event])))
        registry = vars(filterkit).setdefault("__warningregistry__", {})
        warnings.warn_explicit("careful", UserWarning, "a.py", 1, registry=registry)

        class Wrong(filterkit.UsageError): ...
        class Fits(filterkit.plugins.protocols.Normalizer): ...
        filterkit.plugins.protocols.Normalizer.register(Wrong)
        assert isinstance(Wrong("a"), filterkit.plugins.protocols.Normalizer)
        assert not isinstance(event, filterkit.plugins.protocols.Renderer)

def names():
    owners = (filterkit, filterkit.records, ConvolutionExtractor, filterkit.plugins.protocols.Renderer)
    return {name for owner in owners for name in vars(owner)}

held, told = names(), []
host = PluginHost(report=told.append)
plugin = host.add(Uses(), name="filterkit-uses", version="1")
host.call("filterkit_after_ingest", event=filterkit.records.Preprocessing())
print(plugin.state, *told, sep="; ")
print(*names() - held)
"""


def test_what_python_leaves_in_modules_and_classes_is_nobodys_fault() -> None:
    done = subprocess.run([sys.executable, "-c", USES], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[:1] == ["loaded"], done.stderr
    assert {"__warningregistry__", "__slotnames__", "sources"} <= set(done.stdout.splitlines()[1].split())
