// What the vendor's libraries expect of their own C library, newlib 2.0, and picolibc has
// under another name.
extern const char _ctype_[];

// newlib's <ctype.h> looks characters up behind this pointer. The flags are the same.
const char* const __ctype_ptr__ = _ctype_;
