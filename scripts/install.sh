#!/bin/sh
# Installs the built library for C and C++ programs: headers, shared and static library, pkg-config file; and the program `keepwell`, where it was
# built (it is unless cargo was told --no-default-features).
#
#   PREFIX=/usr/local DESTDIR= scripts/install.sh
#
# PREFIX    where it will live (default /usr/local)      DESTDIR   put in front of it, for packagers
# LIBDIR    default lib, below PREFIX                    INCLUDEDIR default include, below PREFIX
# BINDIR    default bin, below PREFIX
# KEEPWELL_LIBDIR  where the built library is (default target/release)
# KEEPWELL_DEBUG=1 keeps the debug information
#
# The installed tree can be moved as a whole: keepwell.pc finds it by its own place. Linux (ELF) only.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
built=${KEEPWELL_LIBDIR:-$root/target/release}
prefix=${PREFIX:-/usr/local}
case $prefix in /*) ;; *) prefix=$(pwd)/$prefix ;; esac
libdir=${LIBDIR:-lib}
includedir=${INCLUDEDIR:-include}
bindir=${BINDIR:-bin}
libdir=${libdir#"$prefix"/}
includedir=${includedir#"$prefix"/}
bindir=${bindir#"$prefix"/}
for folder in "$libdir" "$includedir" "$bindir"; do
    case $folder in /*) echo "LIBDIR, INCLUDEDIR and BINDIR have to be below PREFIX ($prefix)" >&2; exit 2 ;; esac
done
target=${DESTDIR:-}$prefix

for file in libkeepwell.so libkeepwell.a; do
    [ -e "$built/$file" ] || { echo "no $file in $built: build it first (cargo build --release)" >&2; exit 2; }
done
version=$(sed -n 's/^version *= *"\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
soname=$(readelf -d "$built/libkeepwell.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ -n "$version" ] && [ -n "$soname" ] || { echo "no version in Cargo.toml, or no SONAME in $built/libkeepwell.so" >&2; exit 2; }

install -d "$target/$libdir/pkgconfig" "$target/$includedir"
install -m 644 "$root/include/keepwell.h" "$root/include/keepwell.hpp" "$target/$includedir/"

# A new file and then a rename: programs that run with the old library keep it.
install -m 755 "$built/libkeepwell.so" "$target/$libdir/.libkeepwell.so.new"
[ -n "${KEEPWELL_DEBUG:-}" ] || ${STRIP:-strip} --strip-debug "$target/$libdir/.libkeepwell.so.new"
mv -f "$target/$libdir/.libkeepwell.so.new" "$target/$libdir/libkeepwell.so.$version"
ln -sf "libkeepwell.so.$version" "$target/$libdir/$soname"
ln -sf "$soname" "$target/$libdir/libkeepwell.so"
"$root/scripts/seal-static.sh" "$built/libkeepwell.a" "$target/$libdir/libkeepwell.a"

if [ -x "$built/keepwell" ]; then
    install -d "$target/$bindir"
    install -m 755 "$built/keepwell" "$target/$bindir/.keepwell.new"
    [ -n "${KEEPWELL_DEBUG:-}" ] || ${STRIP:-strip} --strip-debug "$target/$bindir/.keepwell.new"
    mv -f "$target/$bindir/.keepwell.new" "$target/$bindir/keepwell"
fi

# ${pcfiledir} is the folder of the .pc file: from there up to the prefix, one step for each folder of the way down.
up=$(echo "$libdir/pkgconfig" | sed 's|[^/][^/]*|..|g')
cat >"$target/$libdir/pkgconfig/keepwell.pc" <<PC
prefix=\${pcfiledir}/$up
libdir=\${prefix}/$libdir
includedir=\${prefix}/$includedir

Name: keepwell
Description: One embedded data layer that C, C++, Python, Go and Rust programs share
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lkeepwell
Libs.private: -lpthread -ldl -lm
PC
echo "installed keepwell $version in $target"
