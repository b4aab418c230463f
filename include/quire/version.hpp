// The version of the library. While it is 0.x, each minor version may change the API and the ABI;
// the on-disk formats have version numbers of their own (docs/formats/).
#pragma once

#define QUIRE_VERSION_MAJOR 0
#define QUIRE_VERSION_MINOR 1
#define QUIRE_VERSION_PATCH 0
#define QUIRE_VERSION "0.1.0"
