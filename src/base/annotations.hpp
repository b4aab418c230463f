// Clang's thread-safety annotations; nothing on other compilers.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define QUIRE_ANNOTATION(x) __attribute__((x))
#else
#define QUIRE_ANNOTATION(x)
#endif

#define QUIRE_CAPABILITY(name) QUIRE_ANNOTATION(capability(name))
#define QUIRE_SCOPED_CAPABILITY QUIRE_ANNOTATION(scoped_lockable)
#define QUIRE_GUARDED_BY(mutex) QUIRE_ANNOTATION(guarded_by(mutex))
#define QUIRE_REQUIRES(...) QUIRE_ANNOTATION(requires_capability(__VA_ARGS__))
#define QUIRE_ACQUIRE(...) QUIRE_ANNOTATION(acquire_capability(__VA_ARGS__))
#define QUIRE_RELEASE(...) QUIRE_ANNOTATION(release_capability(__VA_ARGS__))
#define QUIRE_EXCLUDES(...) QUIRE_ANNOTATION(locks_excluded(__VA_ARGS__))
#define QUIRE_NO_THREAD_SAFETY_ANALYSIS QUIRE_ANNOTATION(no_thread_safety_analysis)
