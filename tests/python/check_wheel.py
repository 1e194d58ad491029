# SPDX-License-Identifier: MIT
# environments: plain
"""The wheel of `make wheel`, installed in an empty environment with only numpy. Every check of binding.py passes there, even
if the system's copies of the libraries are hidden from the loader. Run by `make test-python`."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

sys.path.insert(0, os.path.join("tests", "python"))
from support import check, finish, skip  # noqa: E402

BUILD = os.environ.get("BUILD", "build")
ROOT, FOLDER = os.getcwd(), tempfile.mkdtemp()
WHEEL = glob.glob(os.path.join(BUILD, "wheel", "pulseref-*.whl"))[0]
ENV = {k: v for k, v in os.environ.items() if k not in ("PULSEREF_LIBRARY", "LD_LIBRARY_PATH", "PYTHONPATH", "LD_PRELOAD")}

# An auditor of the dynamic loader (rtld-audit), which hides all libraries with these names.
HIDE = r"""
#define _GNU_SOURCE
#include <link.h>
#include <string.h>
unsigned la_version(unsigned version) { return version; }
char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag)
{
    static const char *const hidden[] = { "libjansson.", "libinih.", "libmd.", "libgomp.", "libopenblas.", "libblas." };
    const char *slash = strrchr(name, '/'), *file = slash ? slash + 1 : name;
    (void)cookie, (void)flag;
    for (unsigned k = 0; k < sizeof hidden / sizeof *hidden; k++)
        if (strncmp(file, hidden[k], strlen(hidden[k])) == 0)
            return NULL;
    return (char *)name;
}
"""


def run(*command, **env):
    done = subprocess.run(command, env={**ENV, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, "%s ended with %d:\n%s" % (command, done.returncode, done.stdout[-4000:])
    return done.stdout


def site():
    return glob.glob(os.path.join(FOLDER, "env", "lib", "python*", "site-packages"))[0]


def installs():
    """Installs the wheel with pip, without an index, beside the numpy of the running Python."""
    run(sys.executable, "-m", "venv", FOLDER + "/env")
    home = os.path.dirname(os.path.dirname(np.__file__))
    for name in os.listdir(home):
        if name in ("numpy", "numpy.libs") or name.startswith("numpy-"):
            os.symlink(os.path.join(home, name), os.path.join(site(), name))
    run(FOLDER + "/env/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", WHEEL)
    said = run(FOLDER + "/env/bin/python", "-I", "-c", "import pulse; print(pulse.__file__); print(pulse.engine())")
    assert site() in said and "built-in" in said, said


def hides():
    """The loader finds the libraries that the checkout's library needs, but with the auditor it does not."""
    with open(FOLDER + "/hide.c", "w") as f:
        f.write(HIDE)
    run(os.environ.get("CC", "gcc"), "-shared", "-fPIC", FOLDER + "/hide.c", "-o", FOLDER + "/hide.so")
    load = "import ctypes, sys\ntry: ctypes.CDLL(sys.argv[1])\nexcept OSError as e: print('refused', e)"
    library = os.path.join(ROOT, BUILD, "libpulseref.so.0")
    assert run(sys.executable, "-c", load, library) == ""
    assert "refused" in run(sys.executable, "-c", load, library, LD_AUDIT=FOLDER + "/hide.so")


def passes_hidden():
    said = run(FOLDER + "/env/bin/python", "tests/python/binding.py", PULSE_PY=site(), LD_AUDIT=FOLDER + "/hide.so")
    assert "not ok" not in said and said.count("\nok ") > 50, said


def brings_its_own():
    said = run(FOLDER + "/env/bin/python", "-I", "-c", "import pulse; pulse.engine(); print(open('/proc/self/maps').read())")
    paths = {line.split()[-1] for line in said.splitlines() if ".so" in line}
    outside = [p for p in paths for n in ("libjansson", "libinih", "libmd") if os.path.basename(p).startswith(n)]
    assert not outside and not any("gomp" in p for p in paths) and "libpulseref.so.0" in {os.path.basename(p) for p in paths}, paths


def small():
    size = os.path.getsize(WHEEL)
    print("# %s: %.2f MB" % (os.path.basename(WHEEL), size / 1e6))
    return size <= 5e6


def same_bytes():
    again = FOLDER + "/again"
    os.mkdir(again)
    path = run(sys.executable, "ref/python/make_wheel.py", BUILD + "/wheel/pulse.o", WHEEL.split("-")[1], again).split()[-1]
    with open(path, "rb") as a, open(WHEEL, "rb") as b:
        return a.read() == b.read()


def complete():
    with zipfile.ZipFile(WHEEL) as z:
        names = z.namelist()
        libraries = [n for n in names if n.startswith("pulseref.libs/")]         # each of them has a licence
        assert z.testzip() is None and "pulse.py" in names and len(libraries) >= 4, names
        assert sum("/licenses/" in n for n in names) == len(libraries), names


def honest():
    """auditwheel finds the platform tag of the wheel's name, which states the oldest glibc."""
    if shutil.which("auditwheel"):
        said = run("auditwheel", "show", WHEEL)
        print("# " + " ".join(said.split()))
        assert WHEEL.split("-")[-1][:-4] in said, said


check("the wheel has at most 5 MB", small)
check("the wheel holds the module, the libraries and their licences", complete)
check("the wheel has the same bytes when it is made again", same_bytes)
check("pip installs it without an index beside numpy, and its engine is built in", installs)
check("a loader that hides the system's copies refuses the checkout's library", hides)
check("under that loader the wheel passes every check of the binding", passes_hidden)
check("the wheel brings its own libraries", brings_its_own)
if shutil.which("auditwheel"):
    check("auditwheel finds the same platform tag", honest)
else:
    skip("auditwheel finds the same platform tag", "auditwheel is not installed")
shutil.rmtree(FOLDER)
finish()
