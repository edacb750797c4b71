package audit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// The tree is that of RFC 6962 with SHA-256. Its hashes are kept in tiles of 256 (C2SP tlog-tiles): a tile of level 0 holds the
// hashes of leaves, a tile of level n+1 the roots of full tiles of level n.
const (
	tileHeight = 8
	// TileWidth is how many hashes a full tile holds.
	TileWidth = 1 << tileHeight
	// TileBytes is the size of a full tile.
	TileBytes = TileWidth * tlog.HashSize
	// topLevel bounds the levels: 2^63 leaves fit below level 8.
	topLevel = 7
)

// Hash is a hash of the tree.
type Hash = tlog.Hash

// LeafHash is the hash of a leaf's encoding.
func LeafHash(leaf []byte) Hash { return tlog.RecordHash(leaf) }

// Tile is a full tile and the root of what it covers.
type Tile struct {
	Level  int
	N      int64
	Hashes []Hash
	Root   Hash
}

// Edge is the right edge of a tree: the hashes of the tiles that are not full yet, from level 0 up. It is all that appending
// needs. The zero Edge is that of the empty tree.
type Edge struct {
	size   int64
	levels [][]Hash
}

// NewEdge makes the edge of a tree of that size from its partial tiles, level 0 first.
func NewEdge(size int64, levels [][]Hash) (*Edge, error) {
	e := &Edge{size: size}
	for level, n := 0, size; n > 0; level, n = level+1, n>>tileHeight {
		want := int(n & (TileWidth - 1))
		var have []Hash
		if level < len(levels) {
			have = levels[level]
		}
		if len(have) != want {
			return nil, fmt.Errorf("audit: the edge of a tree of %d leaves has %d hashes at level %d, not %d", size, want, level, len(have))
		}
		e.levels = append(e.levels, append([]Hash(nil), have...))
	}
	return e, nil
}

// Size is the number of leaves.
func (e *Edge) Size() int64 { return e.size }

// Clone gives an edge that appends on its own.
func (e *Edge) Clone() *Edge {
	c := &Edge{size: e.size}
	for _, l := range e.levels {
		c.levels = append(c.levels, append([]Hash(nil), l...))
	}
	return c
}

// Append adds a leaf's hash and gives the tiles that it filled.
func (e *Edge) Append(h Hash) []Tile {
	e.size++
	var full []Tile
	for level := 0; ; level++ {
		if level == len(e.levels) {
			e.levels = append(e.levels, nil)
		}
		e.levels[level] = append(e.levels[level], h)
		if len(e.levels[level]) < TileWidth {
			return full
		}
		tile := Tile{Level: level, N: e.size>>(tileHeight*(level+1)) - 1, Hashes: e.levels[level]}
		tile.Root = foldPerfect(tile.Hashes)
		full = append(full, tile)
		e.levels[level], h = nil, tile.Root
	}
}

// Root is the root of the tree.
func (e *Edge) Root() Hash {
	var perfect []Hash // roots of perfect trees, the largest first
	for level := len(e.levels) - 1; level >= 0; level-- {
		hashes := e.levels[level]
		for bit := TileWidth / 2; bit > 0; bit /= 2 {
			if len(hashes)&bit == 0 {
				continue
			}
			done := len(hashes) &^ (2*bit - 1)
			perfect = append(perfect, foldPerfect(hashes[done:done+bit]))
		}
	}
	return foldRight(perfect)
}

// EmptyRoot is the root of the tree without leaves.
func EmptyRoot() Hash {
	h, _ := tlog.TreeHash(0, nil)
	return h
}

// foldRight joins the roots of ever smaller perfect trees.
func foldRight(perfect []Hash) Hash {
	if len(perfect) == 0 {
		return EmptyRoot()
	}
	h := perfect[len(perfect)-1]
	for i := len(perfect) - 2; i >= 0; i-- {
		h = tlog.NodeHash(perfect[i], h)
	}
	return h
}

// foldPerfect is the root of a perfect tree over a power of two of hashes.
func foldPerfect(hashes []Hash) Hash {
	row := append([]Hash(nil), hashes...)
	for len(row) > 1 {
		for i := range len(row) / 2 {
			row[i] = tlog.NodeHash(row[2*i], row[2*i+1])
		}
		row = row[:len(row)/2]
	}
	return row[0]
}

// PackHashes writes hashes one after the other, as a tile is served.
func PackHashes(hashes []Hash) []byte {
	out := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		out = append(out, h[:]...)
	}
	return out
}

// UnpackHashes reads what PackHashes wrote.
func UnpackHashes(data []byte) ([]Hash, error) {
	if len(data)%tlog.HashSize != 0 {
		return nil, errors.New("audit: the size of the hashes is not a multiple of 32")
	}
	out := make([]Hash, len(data)/tlog.HashSize)
	for i := range out {
		copy(out[i][:], data[i*tlog.HashSize:])
	}
	return out, nil
}

// TileName names a tile of which the first Width hashes are meant.
type TileName struct {
	Level int
	N     int64
	Width int // 1 to 256
}

// ErrTilePath says that a path is none of C2SP tlog-tiles'.
var ErrTilePath = errors.New("audit: not the path of a tile")

// Path writes the tile's path below "tile/", as C2SP tlog-tiles has it: "0/x001/067", and "0/x001/067.p/12" for a partial one.
func (t TileName) Path() string {
	path := strconv.Itoa(t.Level) + "/" + indexPath(t.N)
	if t.Width < TileWidth {
		path += ".p/" + strconv.Itoa(t.Width)
	}
	return path
}

// indexPath writes an index in groups of three digits, all but the last with an x before them.
func indexPath(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

// ParseTilePath reads what Path writes, and nothing else: one tile has one path.
func ParseTilePath(path string) (TileName, error) {
	t := TileName{Width: TileWidth}
	level, rest, ok := strings.Cut(path, "/")
	if !ok || len(level) != 1 || level[0] < '0' || level[0] > '0'+topLevel {
		return TileName{}, ErrTilePath
	}
	t.Level = int(level[0] - '0')
	index, width, partial := strings.Cut(rest, ".p/")
	if partial {
		w, err := strconv.Atoi(width)
		if err != nil || w < 1 || w >= TileWidth {
			return TileName{}, ErrTilePath
		}
		t.Width = w
	}
	groups := strings.Split(index, "/")
	if len(groups) > 6 {
		return TileName{}, ErrTilePath
	}
	for i, group := range groups {
		if i < len(groups)-1 {
			group, ok = strings.CutPrefix(group, "x")
			if !ok {
				return TileName{}, ErrTilePath
			}
		}
		n, err := strconv.ParseUint(group, 10, 16)
		if err != nil || len(group) != 3 {
			return TileName{}, ErrTilePath
		}
		t.N = t.N*1000 + int64(n)
	}
	if t.Path() != path {
		return TileName{}, ErrTilePath
	}
	return t, nil
}

// Within reports whether the tree of that size has the tile.
func (t TileName) Within(size int64) bool {
	has := size >> (tileHeight * t.Level) // hashes of that level
	return t.N < has/TileWidth+1 && t.N*TileWidth+int64(t.Width) <= has
}
