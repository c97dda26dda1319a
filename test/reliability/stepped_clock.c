/* Preloaded, it sets the system's clock of one process: as many seconds ahead as the eight bytes of the file say that
   STEPPED_CLOCK names. A wait until a moment of that clock follows its steps while it lasts, as the kernel's waits do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t LOOK = 20000000; /* nanoseconds after which a wait looks for a step */
static const int MONOTONIC_CONDITION = 2; /* a flag of glibc's */
static const volatile int64_t *ahead;

__attribute__((constructor)) static void map(void) {
  const char *path = getenv("STEPPED_CLOCK");
  int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void *found = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  if (found == MAP_FAILED) abort();
  close(file);
  ahead = found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failure = syscall(SYS_clock_gettime, clock, now);
  if (failure == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead ? *ahead : 0;
  return failure;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (now != NULL) *now = exact.tv_sec;
  return exact.tv_sec;
}

/* Until when the kernel is to wait now, and whether that is the end. */
static int is_last(const struct timespec *end, struct timespec *until) {
  syscall(SYS_clock_gettime, CLOCK_REALTIME, until);
  int64_t left = (end->tv_sec - *ahead - until->tv_sec) * 1000000000 + end->tv_nsec - until->tv_nsec;
  int64_t wait = until->tv_nsec + (left < 0 ? 0 : left < LOOK ? left : LOOK);
  until->tv_sec += wait / 1000000000;
  until->tv_nsec = wait % 1000000000;
  return left <= LOOK;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *end) {
  if (condition->__data.__wrefs & MONOTONIC_CONDITION)
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, end);
  for (;;) {
    struct timespec until;
    int last = is_last(end, &until);
    int outcome = pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &until);
    if (outcome != ETIMEDOUT || last) return outcome;
  }
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *end) {
  for (;;) {
    struct timespec until;
    int last = is_last(end, &until);
    int outcome = pthread_mutex_clocklock(mutex, CLOCK_REALTIME, &until);
    if (outcome != ETIMEDOUT || last) return outcome;
  }
}

int sem_timedwait(sem_t *semaphore, const struct timespec *end) {
  for (;;) {
    struct timespec until;
    int last = is_last(end, &until);
    if (sem_clockwait(semaphore, CLOCK_REALTIME, &until) == 0) return 0;
    if (errno != ETIMEDOUT || last) return -1;
  }
}
