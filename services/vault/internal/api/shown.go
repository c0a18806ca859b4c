package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/internal/slab"
)

// A shownSecret is the message of a secret with its times, so that they are allocated together.
type shownSecret struct {
	message               vaultv1.Secret
	created, updated, due timestamppb.Timestamp
	expires               timestamppb.Timestamp
}

func secretToProto(s secret.Secret) *vaultv1.Secret {
	var texts slab.Strings
	return new(shownSecret).of(&s, &texts)
}

// The messages of a list are allocated in slabs, which grow up to maxSlab messages: larger slabs cost
// the runtime more.
const minSlab, maxSlab = 4, 32

// A shownPage allocates the messages of a list together.
type shownPage struct {
	// left is the maximum number of messages that follow.
	left  int
	free  []shownSecret
	size  int // of the last slab
	texts slab.Strings
}

func (p *shownPage) of(s *secret.Secret) *vaultv1.Secret {
	if len(p.free) == 0 {
		p.size = max(1, min(max(p.size*2, minSlab), maxSlab, p.left))
		p.free = make([]shownSecret, p.size)
		p.left -= p.size
	}
	shown := &p.free[0]
	p.free = p.free[1:]
	return shown.of(s, &p.texts)
}

// of sets the message to that of a secret and returns it.
func (shown *shownSecret) of(s *secret.Secret, texts *slab.Strings) *vaultv1.Secret {
	var text [256]byte
	setTime(&shown.created, s.Created)
	setTime(&shown.updated, s.Updated)
	name := secret.AppendName(text[:0], s.Name)
	both := texts.Of(s.AppendEtag(name))
	pb := &shown.message
	pb.Name, pb.Etag = both[:len(name)], both[len(name):]
	pb.Uid, pb.Description, pb.Labels = s.UID, s.Description, s.Labels
	pb.Usage, pb.MaskedValue, pb.AllowedHosts = usageToProto(s.Usage), maskedValue, s.AllowedHosts
	pb.CurrentVersion, pb.LatestVersion, pb.State = s.Current, s.Last, stateToProto(s.State)
	pb.CreateTime, pb.UpdateTime = &shown.created, &shown.updated
	pb.IssuedBy = s.IssuedBy
	pb.ReferenceCount, pb.Shared = min(s.References, secret.MaxReferences), s.Shared
	pb.RotationPeriod, pb.ValueFacts = periodToProto(s.RotationPeriod), valueFactsToProto(s.Taken)
	if s.RotationPeriod > 0 {
		setTime(&shown.due, s.RotationDue)
		pb.RotationDueTime = &shown.due
	}
	if pb.KeepVersions = s.KeepVersions; !s.Expires.IsZero() {
		setTime(&shown.expires, s.Expires)
		pb.ExpireTime = &shown.expires
	}
	if !s.DeletedAt.IsZero() {
		pb.DeleteTime, pb.PurgeTime = timestamppb.New(s.DeletedAt), timestamppb.New(s.PurgeAt)
		pb.ReferenceCount = 0 // the bindings are being removed
	}
	return pb
}

func setTime(pb *timestamppb.Timestamp, t time.Time) {
	pb.Seconds, pb.Nanos = t.Unix(), int32(t.Nanosecond())
}
