"""Packs a folder so that the same files give the same bytes: names sorted, one time for all, no owner.

    archive.py FOLDER OUT.zip|OUT.tar.gz SECONDS
"""

import gzip
import pathlib
import stat
import sys
import tarfile
import time
import zipfile


def main():
    folder, out, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    runs = [bool(path.stat().st_mode & stat.S_IXUSR) for path in files]
    # The top folder is called like the archive.
    top = out.name.removesuffix(".zip").removesuffix(".tar.gz")
    names = [f"{top}/{path.relative_to(folder).as_posix()}" for path in files]
    if out.suffix == ".zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, path, run in zip(names, files, runs):
                entry = zipfile.ZipInfo(name, time.gmtime(seconds)[:6])
                entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
                entry.external_attr = (0o100755 if run else 0o100644) << 16
                archive.writestr(entry, path.read_bytes())
        return
    with open(out, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, path, run in zip(names, files, runs):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime, entry.mode = path.stat().st_size, seconds, 0o755 if run else 0o644
                with open(path, "rb") as file:
                    archive.addfile(entry, file)


main()
