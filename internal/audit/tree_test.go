package audit_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/holdfast/holdfast/internal/audit"
)

// reference is the tree as x/mod's own functions store it.
type reference struct{ hashes []tlog.Hash }

func (r *reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = r.hashes[x]
	}
	return out, nil
}

func (r *reference) add(t testing.TB, n int64, leaf []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(n, leaf, r)
	require.NoError(t, err)
	r.hashes = append(r.hashes, hashes...)
}

// shelf keeps full tiles and the leaves' hashes, as the database does.
type shelf struct {
	full   map[string]audit.Tile
	leaves []audit.Hash
}

// Tiles gives full tiles as they were kept, and works partial ones out.
func (s *shelf) Tiles(_ context.Context, names []audit.TileName) ([][]audit.Hash, error) {
	var out [][]audit.Hash
	for _, n := range names {
		if t, ok := s.full[fmt.Sprint(n.Level, n.N)]; ok {
			out = append(out, t.Hashes[:n.Width])
			continue
		}
		var row []audit.Hash
		for i := n.N * audit.TileWidth; i < n.N*audit.TileWidth+int64(n.Width); i++ {
			if n.Level == 0 {
				row = append(row, s.leaves[i])
			} else {
				row = append(row, s.full[fmt.Sprint(n.Level-1, i)].Root)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// grow appends leaves to an edge, a reference and a shelf.
func grow(t testing.TB, n int64) (*audit.Edge, *reference, *shelf) {
	t.Helper()
	e, err := audit.NewEdge(0, nil)
	require.NoError(t, err)
	r, s := &reference{}, &shelf{full: map[string]audit.Tile{}}
	for i := range n {
		leaf := []byte(strconv.FormatInt(i, 10))
		r.add(t, i, leaf)
		h := audit.LeafHash(leaf)
		s.leaves = append(s.leaves, h)
		for _, tile := range e.Append(h) {
			s.full[fmt.Sprint(tile.Level, tile.N)] = tile
		}
	}
	return e, r, s
}

//
func TestEdge_HasTheRootThatAnotherImplementationHas(t *testing.T) {
	t.Parallel()
	e, err := audit.NewEdge(0, nil)
	require.NoError(t, err)
	r := &reference{}
	require.Equal(t, audit.EmptyRoot(), e.Root())
	for i := range int64(1200) {
		leaf := []byte(strconv.FormatInt(i, 10))
		r.add(t, i, leaf)
		e.Append(audit.LeafHash(leaf))
		want, err := tlog.TreeHash(i+1, r)
		require.NoError(t, err)
		require.Equal(t, want, e.Root(), "of %d leaves", i+1)
	}
}

// the example of C2SP tlog-tiles is a tree of 70,000 entries.
func TestEdge_MakesTheTilesOfATreeOf70000(t *testing.T) {
	t.Parallel()
	const size = 70000
	e, r, s := grow(t, size)
	want, err := tlog.TreeHash(size, r)
	require.NoError(t, err)
	require.Equal(t, want, e.Root())
	full := map[int]int{}
	for _, tile := range s.full {
		full[tile.Level]++
		require.Len(t, audit.PackHashes(tile.Hashes), 8192)
	}
	require.Equal(t, map[int]int{0: 273, 1: 1}, full)
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, r)
		require.NoError(t, err)
		got, err := s.Tiles(t.Context(), []audit.TileName{{Level: tile.L, N: tile.N, Width: tile.W}})
		require.NoError(t, err)
		require.Equal(t, data, audit.PackHashes(got[0]), "tile %d/%d of width %d", tile.L, tile.N, tile.W)
	}
	require.Equal(t, "0/273.p/112", audit.TileName{Level: 0, N: 273, Width: 112}.Path())
	require.Equal(t, "1/001.p/17", audit.TileName{Level: 1, N: 1, Width: 17}.Path())
	require.Equal(t, "2/000.p/1", audit.TileName{Level: 2, N: 0, Width: 1}.Path())
}

func TestNewEdge_GoesOnWhereAnotherStopped(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 255, 256, 257, 65535, 65536, 65537, 66000} {
		_, _, s := grow(t, size)
		var levels [][]audit.Hash
		for level, n := 0, size; n > 0; level, n = level+1, n>>8 {
			rows := [][]audit.Hash{nil}
			if n%256 > 0 {
				var err error
				rows, err = s.Tiles(t.Context(), []audit.TileName{{Level: level, N: n >> 8, Width: int(n % 256)}})
				require.NoError(t, err)
			}
			levels = append(levels, rows[0])
		}
		e, err := audit.NewEdge(size, levels)
		require.NoError(t, err)
		later, r, _ := grow(t, size+300)
		for i := size; i < size+300; i++ {
			e.Append(audit.LeafHash([]byte(strconv.FormatInt(i, 10))))
		}
		want, err := tlog.TreeHash(size+300, r)
		require.NoError(t, err)
		require.Equal(t, want, e.Root())
		require.Equal(t, later.Root(), e.Root())
	}
	_, err := audit.NewEdge(300, [][]audit.Hash{make([]audit.Hash, 43), make([]audit.Hash, 1)})
	require.Error(t, err, "an edge with a hash too few")
}

// The proofs are checked with x/mod's own verifier.
func TestProver_ProvesWhatAnotherVerifierAccepts(t *testing.T) {
	t.Parallel()
	const size = 66123
	e, r, s := grow(t, size)
	head := audit.Head{Size: size, Root: e.Root()}
	p := audit.NewProver(s, size)
	root, err := p.Root(t.Context())
	require.NoError(t, err)
	require.Equal(t, head.Root, root)
	for i := int64(0); i < size; i += 97 {
		proof, err := p.Inclusion(t.Context(), i)
		require.NoError(t, err)
		leaf := audit.LeafHash([]byte(strconv.FormatInt(i, 10)))
		require.NoError(t, tlog.CheckRecord(proof, size, head.Root, i, leaf))
		require.NoError(t, audit.CheckInclusion(head, i, leaf, proof))
		require.Error(t, audit.CheckInclusion(head, i, audit.LeafHash([]byte("another")), proof))
	}
	for _, earlier := range []int64{1, 2, 255, 256, 257, 65536, 66000, size} {
		proof, err := p.Consistency(t.Context(), earlier)
		require.NoError(t, err)
		old, err := tlog.TreeHash(earlier, r)
		require.NoError(t, err)
		require.NoError(t, tlog.CheckTree(proof, size, head.Root, earlier, old))
		require.NoError(t, audit.CheckConsistency(head, audit.Head{Size: earlier, Root: old}, proof))
		require.Error(t, audit.CheckConsistency(head, audit.Head{Size: earlier, Root: audit.EmptyRoot()}, proof), "a fork at %d", earlier)
	}
	require.Error(t, audit.CheckConsistency(audit.Head{Size: 5}, audit.Head{Size: 6}, nil), "a log that went back")
	_, err = p.Inclusion(t.Context(), size)
	require.Error(t, err)
	_, err = p.Consistency(t.Context(), size+1)
	require.Error(t, err)
}

func TestParseTilePath_TakesOnePathForOneTile(t *testing.T) {
	t.Parallel()
	for _, name := range []audit.TileName{{0, 0, 256}, {0, 67, 1}, {1, 1067, 255}, {7, 1234067, 256}} {
		got, err := audit.ParseTilePath(name.Path())
		require.NoError(t, err)
		require.Equal(t, name, got)
	}
	require.Equal(t, "0/x001/x234/067", audit.TileName{0, 1234067, 256}.Path())
	for _, path := range []string{
		"", "0", "0/", "0/1", "0/0001", "0/x001", "0/x000/001", "8/000", "-1/000", "0/001.p/0", "0/001.p/256", "0/001.p/012", "0/001.p/", "a/001",
		"0/x001/x001/x001/x001/x001/x001/001", "0/+01", "00/001", "entries/000",
	} {
		_, err := audit.ParseTilePath(path)
		require.ErrorIs(t, err, audit.ErrTilePath, path)
	}
}

func FuzzParseTilePath(f *testing.F) {
	for _, path := range []string{"0/000", "0/x001/067.p/12", "7/x999/999"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if name, err := audit.ParseTilePath(path); err == nil {
			require.Equal(t, path, name.Path())
		}
	})
}
