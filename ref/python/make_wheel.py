# SPDX-License-Identifier: MIT
"""Makes a wheel of pulse.py, the two pulse_capture files and the library:

    CC=gcc python3 ref/python/make_wheel.py pulse.o VERSION FOLDER

The wheel needs nothing but numpy; only pulse_capture.py imports torch, and pulse_capture_jax.py jax. pulse.o is the library as one
object. FOLDER receives pulseref.libs/ and the wheel, and the last line on stdout is the wheel's path. The libraries that pulse.o needs
are copied from the system under new names (libjansson.so.4 becomes plsjansson.so.4, also in its soname). So a process that has loaded
another copy, for instance with torch, keeps both apart. The script needs a C compiler and readelf, and no Python package. The wheel has
the same bytes whenever it is made from the same files."""
import base64
import glob
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile

SONAME = "libpulseref.so.0"
BUNDLED = ("jansson", "inih", "md")
# The libraries that every Linux with glibc has, by the rules of the manylinux tags.
SYSTEM = re.compile(r"lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux.*|ld64\.so\.\d")
SUMMARY = "The reference of unlearning in LLaVA-style models as functions: operators, losses and steps, correctly rounded"


def fail(sentence):
    sys.exit("make_wheel.py: " + sentence)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def dynamic(path):
    """(soname, [needed]) of a shared library."""
    text = run("readelf", "-dW", path)
    soname = re.search(r"\(SONAME\).*\[(.*)\]", text)
    return soname and soname.group(1), re.findall(r"\(NEEDED\).*\[(.*)\]", text)


def elf_hash(name):
    """The hash of a name in ELF."""
    h = 0
    for c in name.encode():
        h = (h << 4) + c
        h = (h ^ (h & 0xf0000000) >> 24) & 0x0fffffff
    return h


def renamed(raw, old, new):
    """The library with another soname of the same length: the string that DT_SONAME points to is overwritten. Where that
    string is also the name of a version of the library's symbols, the hash of the name is overwritten as well."""
    if raw[:5] != b"\x7fELF\x02" or raw[5] != 1 or len(old) != len(new):
        fail("%s is no 64-bit little-endian library, expected one" % old)
    # e_shoff, e_shentsize and e_shnum of the ELF header; of a section s[1] is the type, s[4] the offset, s[5] the size
    (at,), (size, count) = struct.unpack_from("<Q", raw, 40), struct.unpack_from("<HH", raw, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", raw, at + k * size) for k in range(count)]
    table = next(s for s in sections if s[1] == 6)                                   # SHT_DYNAMIC; s[6] is its table of strings
    entries = struct.iter_unpack("<QQ", raw[table[4]:table[4] + table[5]])
    offset = sections[table[6]][4] + next(value for tag, value in entries if tag == 14)        # DT_SONAME
    if raw[offset:offset + len(old) + 1] != old.encode() + b"\0":
        fail("the soname of %s is not where it should be" % old)
    raw = bytearray(raw[:offset] + new.encode() + raw[offset + len(new):])
    for versions in (s for s in sections if s[1] == 0x6ffffffd):                     # SHT_GNU_verdef, a chain of s[7] definitions
        at = versions[4]
        for _ in range(versions[7]):
            aux, following = struct.unpack_from("<II", raw, at + 12)
            if sections[versions[6]][4] + struct.unpack_from("<I", raw, at + aux)[0] == offset:
                struct.pack_into("<I", raw, at + 8, elf_hash(new))
            at += following
    return bytes(raw)


def bundle(cc, name, folder):
    """Copies a library of the system; returns its new path."""
    path = os.path.realpath(run(cc, "-print-file-name=lib%s.so" % name).strip())
    if not os.path.isabs(path) or not os.path.exists(path):
        fail("the compiler finds no lib%s.so, expected one (make deps)" % name)
    soname, needed = dynamic(path)
    foreign = [n for n in needed if not SYSTEM.fullmatch(n)]
    if foreign:
        fail("%s needs %s, which the wheel does not bring" % (path, ", ".join(foreign)))
    new = os.path.join(folder, soname.replace("lib", "pls", 1))
    with open(path, "rb") as f, open(new, "wb") as out:
        out.write(renamed(f.read(), soname, os.path.basename(new)))
    os.chmod(new, 0o755)
    return new


def licence(name):
    """The licence of a bundled library, as the distribution ships it."""
    for pattern in ("/usr/share/doc/lib%s[0-9]*/copyright", "/usr/share/licenses/*%s*/*"):
        for path in sorted(glob.glob(pattern % name)):
            if os.path.isfile(path):
                return path
    fail("the licence of lib%s is not below /usr/share/doc or /usr/share/licenses, but must go with it" % name)


def platform_tag(cc, files):
    """manylinux_2_N, where 2.N is the newest version of glibc that any of the files asks for."""
    versions = [int(v) for f in files for v in re.findall(r"GLIBC_2\.(\d+)", run("readelf", "-VW", f))]
    machine = run(cc, "-dumpmachine").split("-")[0]
    return "manylinux_2_%d_%s" % (max(versions), machine) if versions else "linux_%s" % machine


def wheel(path, files, tag, version):
    """Writes the wheel. Each of the files is (its name in the wheel, its path or its text)."""
    info = "pulseref-%s.dist-info/" % version
    files = files + [(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: make_wheel.py\nRoot-Is-Purelib: false\nTag: py3-none-%s\n" % tag),
                     (info + "METADATA", "Metadata-Version: 2.1\nName: pulseref\nVersion: %s\nSummary: %s\nLicense: MIT\n"
                      "Requires-Python: >=3.9\nRequires-Dist: numpy>=1.21\n\n%s\n\nThe folder pulseref.libs holds the library and copies of %s, "
                      "whose licences are in %slicenses.\n" % (version, SUMMARY, SUMMARY + ".", ", ".join("lib" + n for n in BUNDLED), info))]
    record = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name, content in files + [(info + "RECORD", None)]:
            if content is None:
                raw = (record + name + ",,\n").encode()
            elif os.path.isabs(content) and os.path.exists(content):
                with open(content, "rb") as f:
                    raw = f.read()
            else:
                raw = content.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\n" % (name, digest, len(raw))
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = (0o755 if ".so" in name else 0o644) << 16, zipfile.ZIP_DEFLATED
            z.writestr(entry, raw)


def main(pulse_o, version, folder):
    cc, here = os.environ.get("CC", "gcc"), os.path.dirname(os.path.abspath(__file__))
    libs = os.path.join(os.path.abspath(folder), "pulseref.libs")
    shutil.rmtree(libs, ignore_errors=True)
    os.makedirs(libs)
    shared, library = [bundle(cc, name, libs) for name in BUNDLED], os.path.join(libs, SONAME)
    run(cc, "-shared", "-s", "-Wl,-soname," + SONAME, "-Wl,-rpath,$ORIGIN", pulse_o, *shared, "-lm", "-o", library)
    foreign = [n for n in dynamic(library)[1] if not SYSTEM.fullmatch(n) and n not in map(os.path.basename, shared)]
    if foreign:
        fail("the library needs %s, which the wheel does not bring" % ", ".join(foreign))
    tag = platform_tag(cc, [library] + shared)
    path = os.path.join(folder, "pulseref-%s-py3-none-%s.whl" % (version, tag))
    for old in glob.glob(os.path.join(folder, "pulseref-*.whl")):
        os.remove(old)
    info = "pulseref-%s.dist-info/licenses/" % version
    wheel(path, [(os.path.basename(p), p) for p in sorted(glob.glob(os.path.join(here, "pulse*.py")))]
          + [("pulseref.libs/" + os.path.basename(p), p) for p in sorted([library] + shared)]
          + [(info + "LICENSE", os.path.join(os.path.dirname(os.path.dirname(here)), "LICENSE"))]
          + [(info + "lib%s.txt" % n, licence(n)) for n in BUNDLED], tag, version)
    print("%s: %.2f MB" % (os.path.basename(path), os.path.getsize(path) / 1e6))
    print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
