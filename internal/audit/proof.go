package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrNoTile says that a source does not have what the tree of that size is made of.
var ErrNoTile = errors.New("audit: the tree does not have this tile")

// TileSource gives the hashes of tiles. A tile that the tree of the asked width does not have is an error.
type TileSource interface {
	Tiles(ctx context.Context, names []TileName) ([][]Hash, error)
}

// Prover makes proofs about a tree from its tiles. It keeps what it has read, up to a bound, and is for one goroutine and one
// size of the tree. What it reads it does not trust: whoever checks the proof checks the tiles.
type Prover struct {
	source TileSource
	size   int64
	nodes  map[tileID]*nodes
	most   int
}

type tileID struct {
	level int
	n     int64
}

// nodes are the hashes of a tile and of all that they cover inside it, by their height above the tile's own hashes.
type nodes [tileHeight][]Hash

// proverTiles bounds what a Prover keeps: 16 KiB each.
const proverTiles = 512

// NewProver makes a Prover for the tree of that size.
func NewProver(source TileSource, size int64) *Prover {
	return &Prover{source: source, size: size, nodes: map[tileID]*nodes{}, most: proverTiles}
}

// Inclusion proves that the leaf of that index is in the tree.
func (p *Prover) Inclusion(ctx context.Context, index int64) ([]Hash, error) {
	if index < 0 || index >= p.size {
		return nil, errors.New("audit: no leaf of that index in the tree")
	}
	return tlog.ProveRecord(p.size, index, p.reader(ctx))
}

// Consistency proves that the tree begins with the tree of an earlier size.
func (p *Prover) Consistency(ctx context.Context, earlier int64) ([]Hash, error) {
	if earlier < 1 || earlier > p.size {
		return nil, errors.New("audit: no earlier tree of that size")
	}
	return tlog.ProveTree(p.size, earlier, p.reader(ctx))
}

// Root is the root of the tree, from its tiles.
func (p *Prover) Root(ctx context.Context) (Hash, error) {
	return tlog.TreeHash(p.size, p.reader(ctx))
}

// reader gives tlog the hashes it asks for.
func (p *Prover) reader(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]Hash, error) {
		out := make([]Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			h, err := p.node(ctx, level, n)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	})
}

// node is the hash over the n-th 2^level leaves.
func (p *Prover) node(ctx context.Context, level int, n int64) (Hash, error) {
	id := tileID{level / tileHeight, n >> (tileHeight - level%tileHeight)}
	t := p.nodes[id]
	if t == nil {
		var err error
		if t, err = p.load(ctx, id); err != nil {
			return Hash{}, err
		}
	}
	row := t[level%tileHeight]
	i := n - id.n<<(tileHeight-level%tileHeight)
	if i >= int64(len(row)) {
		return Hash{}, fmt.Errorf("%w whole: %d/%d", ErrNoTile, id.level, id.n)
	}
	return row[i], nil
}

func (p *Prover) load(ctx context.Context, id tileID) (*nodes, error) {
	width := min(p.size>>(tileHeight*id.level)-id.n*TileWidth, TileWidth)
	if width < 1 {
		return nil, fmt.Errorf("%w: %d/%d", ErrNoTile, id.level, id.n)
	}
	got, err := p.source.Tiles(ctx, []TileName{{Level: id.level, N: id.n, Width: int(width)}})
	if err != nil {
		return nil, err
	}
	if len(got) != 1 || int64(len(got[0])) != width {
		return nil, fmt.Errorf("%w with its %d hashes: %d/%d", ErrNoTile, width, id.level, id.n)
	}
	t := &nodes{got[0]}
	for h := 1; h < tileHeight; h++ {
		below := t[h-1]
		row := make([]Hash, len(below)/2)
		for i := range row {
			row[i] = tlog.NodeHash(below[2*i], below[2*i+1])
		}
		t[h] = row
	}
	if len(p.nodes) >= p.most { // rare: everything below the top is read again
		for k := range p.nodes {
			if k.level == 0 {
				delete(p.nodes, k)
			}
		}
	}
	p.nodes[id] = t
	return t, nil
}

// CheckInclusion checks that a leaf is in the tree of that head at that index.
func CheckInclusion(head Head, index int64, leaf Hash, proof []Hash) error {
	return tlog.CheckRecord(proof, head.Size, head.Root, index, leaf)
}

// CheckConsistency checks that the later tree begins with the earlier one. Two trees of one size must have one root.
func CheckConsistency(later, earlier Head, proof []Hash) error {
	switch {
	case earlier.Size > later.Size:
		return errors.New("audit: the tree is smaller than it was")
	case earlier.Size == 0:
		return nil
	default:
		return tlog.CheckTree(proof, later.Size, later.Root, earlier.Size, earlier.Root)
	}
}
