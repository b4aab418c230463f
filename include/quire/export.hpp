// QUIRE_EXPORT marks what the shared library shows; QUIRE_LIFETIMEBOUND what must not outlive its
// object.
#pragma once

#if defined(QUIRE_STATIC)
#define QUIRE_EXPORT
#else
#define QUIRE_EXPORT [[gnu::visibility("default")]]
#endif

// After a member function or parameter: what is returned points into it. Clang warns where it would
// dangle.
#if defined(__clang__)
#define QUIRE_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define QUIRE_LIFETIMEBOUND
#endif
