# shellcheck shell=bash disable=SC2034,SC2154
# Servers that come from Maven, each described by servers/NAME/pom.xml. (`folder` is for the caller,
# `root` is set by common.sh.)

maven_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ttl-store-test

# maven_version NAME: prints the version of the server, which is that of its project.
maven_version() { sed -n 's:^  <version>\(.*\)</version>$:\1:p' "$root/scripts/lib/servers/$1/pom.xml"; }

# maven_folder NAME DIR: sets `folder` to the output of the project, downloaded once for each state of its pom.xml.
maven_folder() {
  local name=$1 out=$2/maven seconds=$SECONDS pom=$root/scripts/lib/servers/$1/pom.xml
  folder=$maven_cache/$name-$(maven_version "$name")-$(cksum <"$pom" | cut -d' ' -f1)
  if [[ -d $folder ]]; then return; fi
  need "required to download the server $name" mvn maven default-jre-headless || return 1
  say "$name: downloading with Maven into $folder"
  rm -rf "$out"
  if ! timeout 600 mvn --batch-mode --quiet --file "$pom" "-Dout=$out" dependency:copy-dependencies jar:jar \
    >"$2/maven.out" 2>&1 </dev/null; then
    say "Maven failed: $(grep -m 1 ERROR "$2/maven.out" || tail -n 1 "$2/maven.out")"
    return 1
  fi
  # The folder gets its name when it is complete; another process may have been faster.
  mkdir -p "$maven_cache" && cp -r "$out" "$folder.$$" && rm -rf "$out" || return 1
  mv -T "$folder.$$" "$folder" 2>/dev/null || rm -rf "$folder.$$"
  [[ -d $folder ]] || return 1
  say "$name: downloaded in $((SECONDS - seconds)) s; later runs use it again"
}
