# Plain comments of the public headers, as Doxygen reads them.
# The first comment of a file is about the file; a comment alone on its line is about what follows;
# one behind code is about that code. NOLINT is for another tool.
s,//  ?NOLINT.*$,,
1s,^// (.*)$,/// @file\n/// \1,
s,^( *)//( .*)?$,\1///\2,
s,^( *[^ /].*[;\,{}]) +// (.*)$,\1  ///< \2,
s,^( *[^ /][^"]*[^:/"]) +// (.*)$,\1  ///< \2,
