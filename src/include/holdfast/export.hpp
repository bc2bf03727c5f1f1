// HOLDFAST_API: what the shared library exports. Everything is compiled with hidden visibility, and only what bears
// this mark can be called, caught or derived from outside of libholdfast.so.
//
// On a class it covers all members, and its type information is one across the boundary; on a function, that function.
// A plain struct is not marked but for its out-of-line members: each side has its own copy of what is inline.
#pragma once

#define HOLDFAST_API __attribute__((visibility("default")))
