/* Loaded before the C library: every third pwrite of more than one byte writes half of what it was given. How many were cut
 * so is added to the file $VARVE_SHORT_WRITES at the end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_uint calls, cut;

static ssize_t Write(int fd, const void *bytes, size_t size, off_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off_t);
  if (real == NULL) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  if (size > 1 && atomic_fetch_add(&calls, 1) % 3 == 2) {
    size /= 2;
    atomic_fetch_add(&cut, 1);
  }
  return real(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return Write(fd, bytes, size, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) { return Write(fd, bytes, size, offset); }

__attribute__((destructor)) static void Tell(void) {
  const char *path = getenv("VARVE_SHORT_WRITES");
  FILE *file = path != NULL ? fopen(path, "a") : NULL;
  if (file == NULL) return;
  fprintf(file, "%u\n", atomic_load(&cut));
  fclose(file);
}
