// C11's threads on top of pthreads, for tests under ThreadSanitizer.
//
// TSan sees pthreads only, and librdkafka uses thrd_*, mtx_* and cnd_*: without this its threads
// are unknown, and what it hands from one to another is a race. glibc's types are the same objects
// under both names (checked below), so the functions of librdkafka's imports are all there is to
// replace: those of the executable come first.
#include <cerrno>
#include <memory>

#include <pthread.h>
#include <threads.h>

namespace {

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t) &&
              sizeof(thrd_t) == sizeof(pthread_t) && sizeof(once_flag) == sizeof(pthread_once_t));

pthread_mutex_t* Of(mtx_t* m) { return reinterpret_cast<pthread_mutex_t*>(m); }
pthread_cond_t* Of(cnd_t* c) { return reinterpret_cast<pthread_cond_t*>(c); }

int Status(int error) {
  switch (error) {
    case 0: return thrd_success;
    case EBUSY: return thrd_busy;
    case ENOMEM: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    default: return thrd_error;
  }
}

struct Start {
  thrd_start_t run;
  void* argument;
};

void* Run(void* start) {
  const std::unique_ptr<Start> s(static_cast<Start*>(start));
  return reinterpret_cast<void*>(static_cast<intptr_t>(s->run(s->argument)));
}

}  // namespace

extern "C" {

// librdkafka counts references by atomics that TSan does not see: who lets go of the last one
// destroys the lock, or frees the buffer that others have read. What is ours goes by `operator
// delete`, and is still reported.
const char* __tsan_default_suppressions() {
  return "race:^__interceptor_pthread_rwlock_destroy$\nrace:^__interceptor_free$\n";
}

int thrd_create(thrd_t* thread, thrd_start_t run, void* argument) {
  auto start = std::make_unique<Start>(Start{run, argument});
  const int error = pthread_create(thread, nullptr, Run, start.get());
  if (error == 0) start.release();  // Run's
  return error == EAGAIN ? thrd_nomem : Status(error);
}

int thrd_join(thrd_t thread, int* result) {
  void* value = nullptr;
  const int error = pthread_join(thread, &value);
  if (error == 0 && result != nullptr)
    *result = static_cast<int>(reinterpret_cast<intptr_t>(value));
  return Status(error);
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(Of(mutex), &kind);
  pthread_mutexattr_destroy(&kind);
  return Status(error);
}
int mtx_lock(mtx_t* mutex) { return Status(pthread_mutex_lock(Of(mutex))); }
int mtx_trylock(mtx_t* mutex) { return Status(pthread_mutex_trylock(Of(mutex))); }
int mtx_unlock(mtx_t* mutex) { return Status(pthread_mutex_unlock(Of(mutex))); }
void mtx_destroy(mtx_t* mutex) { pthread_mutex_destroy(Of(mutex)); }

int cnd_init(cnd_t* condition) { return Status(pthread_cond_init(Of(condition), nullptr)); }
int cnd_signal(cnd_t* condition) { return Status(pthread_cond_signal(Of(condition))); }
int cnd_broadcast(cnd_t* condition) { return Status(pthread_cond_broadcast(Of(condition))); }
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return Status(pthread_cond_wait(Of(condition), Of(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return Status(pthread_cond_timedwait(Of(condition), Of(mutex), until));
}
void cnd_destroy(cnd_t* condition) { pthread_cond_destroy(Of(condition)); }

void call_once(once_flag* flag, void (*run)(void)) {
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), run);
}

}  // extern "C"
