"""A file system that lacks something: calls of the kernel that answer with an errno instead.

The C below is compiled and loaded into a process before its libraries (LD_PRELOAD). Each variable
of the environment names one call and gives the errno that it fails with.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FLOCK, LINK, SYNC_OF_FOLDERS, SYNC_OF_FILES = (
    "NO_FLOCK",
    "NO_LINK",
    "NO_FOLDER_FSYNC",
    "NO_FILE_FSYNC",
)
"""The variables."""

CLOCK_AHEAD = "CLOCK_AHEAD"
"""Another: seconds by which the clock of the process is ahead of that of the file system."""

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static int fails(const char *variable) {
    const char *value = getenv(variable);
    if (value == NULL) return 0;
    errno = atoi(value);
    return 1;
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

int flock(int file, int operation) {
    if (fails("NO_FLOCK")) return -1;
    return ((int (*)(int, int)) next("flock"))(file, operation);
}

int link(const char *from, const char *to) {
    if (fails("NO_LINK")) return -1;
    return ((int (*)(const char *, const char *)) next("link"))(from, to);
}

int linkat(int at, const char *from, int to_at, const char *to, int flags) {
    if (fails("NO_LINK")) return -1;
    return ((int (*)(int, const char *, int, const char *, int)) next("linkat"))(
        at, from, to_at, to, flags);
}

int fsync(int file) {
    struct stat found;
    int is_folder = fstat(file, &found) == 0 && S_ISDIR(found.st_mode);
    if (fails(is_folder ? "NO_FOLDER_FSYNC" : "NO_FILE_FSYNC")) return -1;
    return ((int (*)(int)) next("fsync"))(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = ((int (*)(clockid_t, struct timespec *)) next("clock_gettime"))(clock, now);
    const char *ahead = getenv("CLOCK_AHEAD");
    if (ahead != NULL && clock == CLOCK_REALTIME) now->tv_sec += atol(ahead);
    return answer;
}
"""


def library(folder: Path) -> Path:
    """The path of the compiled library; the test is skipped where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("This needs a C compiler and LD_PRELOAD.")
    source, target = folder / "filesystem.c", folder / "filesystem.so"
    source.write_text(_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", target, source, "-ldl"], check=True)
    return target
